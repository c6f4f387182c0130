import type { Command } from 'commander';
import type { FamilyInfo } from '../library.js';
import { invoke, newCommand, type CommonOptions } from './common.js';

/** A family in words. */
function described(family: FamilyInfo, name: string): string {
  const width = Math.max(13, ...family.splits.map((split) => split.name.length));
  const splits = family.splits.map((split) => `  ${split.name.padEnd(width)} ${split.description}`.trimEnd());
  return [`${name}: ${family.description}`, `  regimes: ${family.regimes.join(', ')}; usual horizon: ${family.horizon}`, ...splits].join('\n');
}

export function familiesCommand(): Command {
  return newCommand('families', 'list the task families with their splits, and the classic problems; or check and describe families of your own', ['tiresias families', 'tiresias families machines.json', 'tiresias families --json'], [])
    .argument('[families...]', 'only these: names, or folders, documents and modules of your own (docs/your-own-family.md)')
    .action((wanted: string[], options: CommonOptions) =>
      invoke(options, async ({ print }) => {
        const library = await import('../library.js');
        if (wanted.length > 0) {
          const { familyNamed } = await import('./task.js');
          const found = [];
          for (const name of wanted) found.push(await familyNamed(name));
          const words = found.map((family, i) => (family.path === undefined ? described(family, family.name) : `${described(family, wanted[i]!)}\n  symbols seen: at most ${family.symbols}; name: ${family.name}`));
          print({ families: found }, words.join('\n\n'));
          return;
        }
        const [families, classics] = [library.families(), library.classics()];
        const sections = families.map((family) => described(family, family.name));
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
