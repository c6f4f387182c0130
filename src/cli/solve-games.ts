// `tiresias solve` where the policy is made of controllers: the static form (`--nature episode`), and robust POMDPs.
import { TiresiasError, exitCodeOf } from '../errors.js';
import { checkWritable, writeAtomic } from '../files.js';
import { policyFormat } from './policy.js';
import { columns, digits, threadsOf, type Invocation } from './common.js';
import { describeModel } from './task.js';
import type { Model } from '../library.js';
import type { StaticOptions, StaticPlan } from '../static-form.js';

interface Asked {
  gap: number;
  threads?: number;
  time?: number;
  memory?: number;
  horizon?: number;
  policyOut?: string;
}

const nodesOf = (plan: StaticPlan): number => plan.controllers.reduce((sum, { controller }) => sum + controller.stages.reduce((all, stage) => all + stage.length, 0), 0);

/** What a plan does first: an action, or one for each first state. */
function firstOf(model: Model, plan: StaticPlan): string {
  const names = plan.controllers.map(({ state, controller }) => {
    const action = model.actionName(controller.stages[0]![0]!.action);
    return state === null ? action : `in ${model.stateName(state)} ${action}`;
  });
  return names.length > 6 ? `${names.slice(0, 6).join(', ')}, …` : names.join(', ');
}

/** Refuses the suffixes of other tools' policies, which hold no controllers of this kind. */
async function checkPolicyOut(file: string | undefined): Promise<void> {
  if (file === undefined) return;
  if (policyFormat(file) !== 'tiresias') throw new TiresiasError('USAGE', `${file}: these policies are controllers, written as JSON; give the file another suffix, such as .json`);
  await checkWritable(file);
}

/** What either solve is called with. */
function settings({ gap, time, memory, horizon, ...options }: Asked, load: number, { signal, progress }: Invocation): StaticOptions {
  return {
    stop: signal, gap, threads: threadsOf(options),
    ...(time !== undefined && { timeSeconds: Math.max(0, time - load) }),
    ...(memory !== undefined && { memoryBytes: memory * 2 ** 20 }),
    ...(horizon !== undefined && { horizon }),
    onProgress: (p) => {
      progress.show({ stage: 'solve', done: p.seconds, total: Math.max(time ?? 0, p.seconds + 1), detail: `value in [${p.lower.toFixed(4)}, ${p.upper.toFixed(4)}], gap ${digits(p.upper - p.lower)}` });
    },
  };
}

const identity = (model: Model, name: string) => ({ name, sha256: model.sha256(), kind: model.kind, states: model.states, actions: model.actions, observations: model.observations, models: model.models });

function ended({ signal }: Invocation): void {
  if (!signal.aborted) return;
  process.stderr.write('stopped early: the bounds are what was proven so far\n');
  process.exitCode = exitCodeOf(signal.reason);
}

/** Solves a robust POMDP, prints, and writes the document where it is asked for. */
export async function solveRobustPomdp(model: Model, name: string, options: Asked, load: number, invocation: Invocation): Promise<void> {
  const { solveRobust } = await import('../robust-pomdp.js');
  const { policyOut } = options;
  await checkPolicyOut(policyOut);
  const solution = await solveRobust(model, settings(options, load, invocation));
  invocation.progress.close();
  if (policyOut !== undefined) await writeAtomic(policyOut, `${JSON.stringify(solution)}\n`);
  const { lower, upper, controller, stopped, stats } = solution;
  const nodes = controller.stages.reduce((sum, stage) => sum + stage.length, 0);
  const first = model.actionName(controller.stages[0]![0]!.action);
  invocation.print(
    () => ({
      model: { ...identity(model, name), ...(model.ambiguity !== null && { ambiguity: model.ambiguity }), ...(model.observationAmbiguity !== null && { observationAmbiguity: model.observationAmbiguity }) }, nature: 'step', alpha: model.alpha, lower, upper, gap: upper - lower, first, nodes, stopped, solver: 'robust',
      seconds: stats.seconds, trials: stats.trials, games: stats.games, vectors: stats.vectors, points: stats.points,
      ...(policyOut !== undefined && { policy: policyOut }),
    }),
    columns([
      ['model', `${name} (${describeModel(model)})`],
      ['nature', 'a row of every set, chosen anew at every decision'],
      ['value', `certainly in [${lower.toFixed(6)}, ${upper.toFixed(6)}], gap ${digits(upper - lower)}`],
      ['first action', `${first}, then a controller of ${nodes} nodes that draws its successors`],
      ['stopped', `${stopped} after ${stats.seconds.toFixed(3)} s, ${stats.trials} trials and ${stats.games} games`],
      ...(policyOut !== undefined ? [['policy', policyOut] as const] : []),
    ]),
  );
  ended(invocation);
}

/** Solves the static form, prints, and writes the document where it is asked for. */
export async function solveStaticForm(model: Model, name: string, options: Asked, load: number, invocation: Invocation): Promise<void> {
  const { solveStatic } = await import('../static-form.js');
  const { gap, policyOut } = options;
  await checkPolicyOut(policyOut);
  const solution = await solveStatic(model, settings(options, load, invocation));
  invocation.progress.close();
  if (policyOut !== undefined) await writeAtomic(policyOut, `${JSON.stringify(solution)}\n`);
  const { lower, upper, prior, worth, mixture, pure, stopped, stats } = solution;
  const each = (numbers: readonly number[]): string => numbers.map((value) => digits(value)).join(', ');
  const alone = pure.upper - pure.lower <= gap ? digits(pure.lower) : `in [${pure.lower.toFixed(6)}, ${pure.upper.toFixed(6)}]`;
  invocation.print(
    () => ({
      model: identity(model, name),
      nature: 'episode', alpha: solution.alpha, lower, upper, gap: upper - lower, prior, worth,
      mixture: mixture.map(({ probability, plan }) => ({ probability, worth: plan.worth, nodes: nodesOf(plan), first: firstOf(model, plan) })),
      pure: { lower: pure.lower, upper: pure.upper, worth: pure.plan.worth, nodes: nodesOf(pure.plan), first: firstOf(model, pure.plan) },
      stopped, solver: 'static', seconds: stats.seconds, priors: stats.priors,
      ...(policyOut !== undefined && { policy: policyOut }),
    }),
    columns([
      ['model', `${name} (${describeModel(model)})`],
      ['nature', 'one model of the cloud is true to the end (static form)'],
      ['value', `certainly in [${lower.toFixed(6)}, ${upper.toFixed(6)}], gap ${digits(upper - lower)}`],
      ['under each model', each(worth)],
      ['worst prior', each(prior)],
      ...mixture.map(({ probability, plan }, i) => [i === 0 ? 'plans, drawn once' : '', `${digits(probability)}: ${firstOf(model, plan)} first, ${nodesOf(plan)} nodes, earns ${each(plan.worth)}`] as const),
      ['without drawing', `${alone}, by a plan that earns ${each(pure.plan.worth)}`],
      ['stopped', `${stopped} after ${stats.seconds.toFixed(3)} s and ${stats.priors} priors`],
      ...(policyOut !== undefined ? [['policy', policyOut] as const] : []),
    ]),
  );
  ended(invocation);
}
