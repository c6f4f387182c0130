import type { Command } from 'commander';
import { invoke, newCommand, type CommonOptions } from './common.js';

export function familiesCommand(): Command {
  return newCommand('families', 'list the task families with their splits', ['tiresias families', 'tiresias families --json']).action(
    (options: CommonOptions) =>
      invoke(options, async ({ print }) => {
        const { families } = await import('../library.js');
        const all = families();
        const text = all.map((family) => {
          const splits = family.splits.map((split) => `  ${split.name.padEnd(12)} ${split.description}`);
          return [`${family.name}: ${family.description}`, `  regimes: ${family.regimes.join(', ')}`, ...splits].join('\n');
        });
        print(all, text.join('\n\n'));
      }),
  );
}
