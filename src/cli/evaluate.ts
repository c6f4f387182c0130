import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import { TiresiasError } from '../errors.js';
import { writeJson } from '../files.js';
import type { MethodSetting } from '../experiment.js';
import type { RegimeResult } from '../results.js';
import { invoke, newCommand } from './common.js';
import { partName } from '../parts.js';
import { chosenPart, withPart, type PartOptions } from './part.js';
import { chosenExperiment, chosenRegimes, withConfig, type ExperimentOptions } from './experiment.js';

interface EvaluateCommandOptions extends ExperimentOptions, PartOptions {
  out: string;
  adapter?: string;
  regime?: string[];
}

export function evaluateCommand(): Command {
  return withPart(withConfig(
    newCommand('evaluate', 'play the methods on test tasks and measure their optimality gaps', [
      'tiresias evaluate --config experiments/quickstart.json --adapter adapter/adapter --out evaluation',
    ]),
  ))
    .requiredOption('-o, --out <folder>', 'where raw rows and metrics go; rows that the same things made are not played again, others are replaced')
    .option('--adapter <folder>', 'PEFT adapter of the method sft; without it the methods that need training are left out')
    .option('--regime <name...>', 'only these regimes')
    .action((options: EvaluateCommandOptions) =>
      invoke(options, async ({ progress, how, print }) => {
        const { checkMethods, methodOf, needBase } = await import('../methods/index.js');
        const { baseStage } = await import('../stages/base.js');
        const { evaluateStage } = await import('../stages/evaluate.js');
        const part = chosenPart(options);
        const chosen = await chosenExperiment(options);
        // Methods for which something has to be trained are left out, but for the fine-tuned model with an adapter.
        const trained: Record<string, string> = {};
        const methods: MethodSetting[] = [];
        const left: string[] = [];
        for (const setting of chosen.evaluation.methods) {
          const given = setting.method === 'sft' ? options.adapter : undefined;
          if ((await methodOf(setting)).needs(setting).training && given === undefined) {
            left.push(setting.name);
            continue;
          }
          if (given !== undefined) trained[setting.name] = resolve(given);
          methods.push(setting);
        }
        if (left.length > 0) progress.note(`note: left out: ${left.join(', ')}; these are trained first: sft comes in with --adapter FOLDER, all with \`tiresias run\``);
        const experiment = { ...chosen, evaluation: { ...chosen.evaluation, methods } };
        const regimes = chosenRegimes(experiment, options.regime);
        await checkMethods(experiment, regimes);
        const base = (await needBase(methods)) ? await baseStage(experiment.base, how('base-model')).work() : undefined;
        if (regimes.length === 0) throw new TiresiasError('USAGE', 'no regime to evaluate');
        if (part) {
          const { evaluatePart } = await import('../evaluate/index.js');
          const parts = [];
          for (const regime of regimes) {
            const folder = join(options.out, regime);
            const { files, filesInAll } = await evaluatePart(experiment, regime, part, { ...how(`evaluate ${regime}`), base, trained, folder });
            parts.push({ regime, folder, ...part, files: files.length, filesInAll });
          }
          progress.close();
          print(parts, parts.map((p) => `${p.folder}: ${partName(p)} is played, ${p.files} of ${p.filesInAll} files of rows; the same command without --shard measures when all are there`).join('\n'));
          return;
        }
        const results: Record<string, RegimeResult> = {};
        for (const regime of regimes) results[regime] = await evaluateStage(experiment, regime, { ...how(`evaluate ${regime}`), base, trained }).work(join(options.out, regime));
        await writeJson(join(options.out, 'metrics.json'), results);
        progress.close();
        print(results, Object.entries(results).map(([regime, result]) => table(regime, result)).join('\n\n'));
      }),
    );
}

function table(regime: string, result: RegimeResult): string {
  const width = Math.max(...Object.keys(result.methods).map((name) => name.length));
  const rows = Object.entries(result.methods).map(([name, m]) =>
    `  ${name.padEnd(width)} ${m.gapNorm.toFixed(4).padStart(9)}  [${m.gapNormCi95.map((x) => x.toFixed(4)).join(', ')}]  agreement ${m.agreement.toFixed(3)}  (${m.tasks} tasks, ${m.episodes} episodes)`,
  );
  return [`${regime}, horizon ${result.horizon}: normalised gap, 95 % interval`, ...rows].join('\n');
}
