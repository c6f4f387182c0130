// `tiresias complete SHELL` prints a script that completes commands, options and words in a shell; the script asks `tiresias complete -- WORDS`.
import { Argument, Command } from 'commander';
import { commandLine } from './screen.js';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'];

const EXAMPLES = ['source <(tiresias complete bash)', 'tiresias complete zsh > ~/.zfunc/_tiresias', 'tiresias complete fish > ~/.config/fish/completions/tiresias.fish'];

/** The command as help lists it. */
export function completion(): Command {
  return new Command('complete')
    .description('print a script that completes commands and options in your shell')
    .addArgument(new Argument('<shell>', 'whose script').choices(SHELLS))
    .addHelpText('after', () => `\nExamples:\n${EXAMPLES.map((line) => commandLine(line, process.stdout.columns)).join('\n')}`);
}

/** Has the completing done, where it is asked for. Only then is the library loaded, which puts a command of its own in the place of ours. */
export async function withCompletion(program: Command): Promise<void> {
  if (process.argv[2] !== 'complete' || !(process.argv[3] === '--' || SHELLS.includes(process.argv[3] ?? ''))) return;
  const { default: tab } = await import('@bomb.sh/tab/commander');
  const commands = program.commands as Command[];
  commands.splice(commands.findIndex((one) => one.name() === 'complete'), 1);
  tab(program);
}
