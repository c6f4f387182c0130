import type { Command } from 'commander';
import { invoke, newCommand, type CommonOptions } from './common.js';

export function familiesCommand(): Command {
  return newCommand('families', 'list the task families with their splits, and the classic problems', ['tiresias families', 'tiresias families --json'], []).action(
    (options: CommonOptions) =>
      invoke(options, async ({ print }) => {
        const library = await import('../library.js');
        const [families, classics] = [library.families(), library.classics()];
        const sections = families.map((family) => {
          const splits = family.splits.map((split) => `  ${split.name.padEnd(13)} ${split.description}`);
          return [`${family.name}: ${family.description}`, `  regimes: ${family.regimes.join(', ')}; usual horizon: ${family.horizon}`, ...splits].join('\n');
        });
        const named = classics.map(({ name, parameters, description }): [string, string] => {
          const optional = parameters.startsWith('[') ? `[:${parameters.slice(1)}` : `:${parameters}`;
          return [parameters === '' ? name : name + optional, description];
        });
        const width = Math.max(...named.map(([name]) => name.length));
        const list = named.map(([name, description]) => `  ${name.padEnd(width)}  ${description}`);
        print({ families, classics }, [...sections, ['classic problems, accepted wherever a model file is:', ...list].join('\n')].join('\n\n'));
      }),
  );
}
