#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { EXIT, TiresiasError, exitCodeOf } from '../errors.js';
import { ioError } from '../files.js';
import { version } from '../version.js';
import { benchCommand } from './bench.js';
import { checkCommand } from './check.js';
import { printErrorDocument, sayError } from './common.js';
import { completion, withCompletion } from './complete.js';
import { convertCommand } from './convert.js';
import { datasetCommand } from './dataset.js';
import { doctorCommand } from './doctor.js';
import { evaluateCommand } from './evaluate.js';
import { familiesCommand } from './families.js';
import { fitCommand } from './fit.js';
import { importCommand } from './import.js';
import { offPolicyCommand } from './off-policy.js';
import { policyCommand } from './read.js';
import { reportCommand } from './report.js';
import { reproduceCommand } from './reproduce.js';
import { rolloutCommand } from './rollout.js';
import { runCommand } from './run.js';
import { serveCommand } from './serve.js';
import { setupCommand } from './setup.js';
import { simulateCommand } from './simulate.js';
import { solveCommand } from './solve.js';
import { storeCommand } from './store.js';
import { trainCommand } from './train.js';

const program = new Command('tiresias')
  .description('Decisions under uncertainty and ambiguity: oracles, few-shot datasets, fine-tuning, and the gap that is left.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  // Narrower than commander's own least: words are not broken at 60 columns either.
  .configureHelp({ minWidthToWrap: 20 })
  .configureOutput({ outputError: (text) => sayError(text.trimEnd()) })
  .addHelpText('after', '\nExample:\n  $ tiresias run --config experiments/quickstart.json\n\nExit codes are listed in docs/exit-codes.md.');

for (const command of [
  familiesCommand(), checkCommand(), convertCommand(), solveCommand(), policyCommand(), simulateCommand(), serveCommand(), importCommand(), fitCommand(), offPolicyCommand(), rolloutCommand(), datasetCommand(), trainCommand(), evaluateCommand(), reportCommand(), runCommand(), reproduceCommand(), benchCommand(), storeCommand(), doctorCommand(), setupCommand(), completion(),
]) {
  program.addCommand(command);
}

// The threads that compute stand back behind the event loop so that a service still answers; a command serves nobody, and takes its
// share of a busy machine.
process.env['TIRESIAS_NICE'] ??= '0';

/** What is set for the program holds for its commands. Commander would exit with 1 on a wrong command line; here that is a usage error. */
function settle(command: Command): void {
  for (const child of command.commands) settle(child.copyInheritedSettings(command));
}
settle(program.exitOverride());
await withCompletion(program);

// A reader that has seen enough (`| head`) is no fault; an output that takes nothing more is one. Neither is a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.pipe);
  const failure = ioError(error, 'write to standard output');
  sayError(failure);
  process.exit(exitCodeOf(failure));
});
process.stderr.on('error', () => {});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and --version were asked for; anything else, help for want of a command included, is a mistake.
  const asked = error.code === 'commander.helpDisplayed' || error.code === 'commander.version';
  process.exitCode = asked ? EXIT.ok : EXIT.usage;
  // Commander has said it on standard error.
  if (!asked && process.argv.includes('--json')) printErrorDocument(new TiresiasError('USAGE', error.message.replace(/^error: /, '')));
}
