import type { Command } from 'commander';
import { EXIT, TiresiasError, exitCodeOf, messageOf } from '../errors.js';
import { columns, integer, invoke, newCommand, sayError, type CommonOptions } from './common.js';
import { describeModel, formatOption, readModel, type ModelFormat } from './task.js';

interface CheckOptions extends CommonOptions {
  strict?: boolean;
  horizon?: number;
  format?: ModelFormat;
}

export function checkCommand(): Command {
  return newCommand('check', 'read model files and say what is wrong with them, or what is in them', ['tiresias check hallway.pomdp', 'tiresias check --strict models/*.pomdpx'], [])
    .argument('<files...>', 'model files (.pomdp, .mdp, .pomdpx or .json) or classic problems')
    .addOption(formatOption())
    .option('--strict', 'let a warning fail the check')
    .option('--horizon <n>', 'number of decisions; files with discount 1 need it', integer(1))
    .action((files: string[], options: CheckOptions) =>
      invoke(options, async ({ print, signal }) => {
        const reports = [];
        for (const file of files) {
          signal.throwIfAborted();
          reports.push(await checked(file, options));
        }
        print(reports, reports.flatMap(({ text }) => text ?? []).join('\n\n'));
        // The first failure decides: a script that checks one file gets that file's own code.
        process.exitCode = reports.find(({ exit }) => exit !== EXIT.ok)?.exit ?? EXIT.ok;
      }),
    );
}

interface Report {
  file: string;
  ok: boolean;
  exit: number;
  text?: string;
  [field: string]: unknown;
}

async function checked(file: string, { strict = false, horizon, format: given }: CheckOptions): Promise<Report> {
  try {
    const { model, format, warnings } = await readModel(file, horizon, given);
    if (model.kind === 'robust-pomdp' && model.alpha < 1) {
      const message = `sets around rows with hidden states are solved for alpha 1 only, and this model has alpha ${model.alpha} (docs/ambiguity.md)`;
      warnings.push({ file, message, line: 1, column: 1, text: `warning: ${file}: ${message}` });
    }
    for (const warning of warnings) process.stderr.write(`${warning.text}\n`);
    const ok = !strict || warnings.length === 0;
    const observedParts = model.observedParts();
    const found = {
      format, name: model.name, kind: model.kind, states: model.states, actions: model.actions, observations: model.observations,
      discount: model.discount, horizon: model.horizon, observedParts, sha256: model.sha256(),
      warnings: warnings.map(({ message, line, column }) => ({ message, line, column })),
    };
    const text = columns([
      ['file', file],
      ['model', describeModel(model)],
      ...(model.horizon === null ? [] : [['discount', String(model.discount)] as const]),
      ['observed part', model.observations === 0 ? 'the whole state' : observedParts > 1 ? `${observedParts} values` : 'none'],
      ['warnings', warnings.length === 0 ? 'none' : `${warnings.length}${ok ? '' : ', which --strict does not allow'}`],
    ]);
    return { file, ok, exit: ok ? EXIT.ok : EXIT.usage, ...found, text };
  } catch (error) {
    if (!(error instanceof TiresiasError)) throw error;
    sayError(error);
    return { file, ok: false, exit: exitCodeOf(error), error: { code: error.code, message: messageOf(error), details: error.details } };
  }
}
