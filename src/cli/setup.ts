import { Command } from 'commander';
import { columns, invoke, newCommand, type CommonOptions } from './common.js';

interface SetupPeftOptions extends CommonOptions {
  cuda?: boolean;
}

/** One subcommand for each backend that has something to install. */
export function setupCommand(): Command {
  return new Command('setup').description('install a backend into the cache').addCommand(setupPeftCommand());
}

function setupPeftCommand(): Command {
  return newCommand('peft', 'make the Python environment of the backend peft: some gigabytes, pinned by their hashes', ['tiresias setup peft', 'tiresias setup peft --cuda'], [])
    .option('--cuda', 'for a CUDA card, with 4-bit weights')
    .action((options: SetupPeftOptions) =>
      invoke({ ...options, resumes: false }, async ({ signal, progress, print }) => {
        const { environmentFolder } = await import('../backends/peft.js');
        const { setUpPeft } = await import('../backends/peft-setup.js');
        const kind = options.cuda ? 'cuda' : 'cpu';
        const python = await setUpPeft(kind, { signal, onProgress: (event) => progress.show({ stage: 'setup peft', ...event }) });
        progress.close();
        print({ kind, folder: environmentFolder(), python }, columns([['environment', environmentFolder()], ['python', python], ['use', '"training": {"backend": "peft"} in an experiment']]));
      }),
    );
}
