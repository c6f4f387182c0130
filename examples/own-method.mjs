// A method of your own beside ours: it takes the action that earned most in the support. `node examples/own-method.mjs [FOLDER]`
// The module itself is the method (docs/own-method.md); an experiment names it: "methods": ["oracle", "./own-method.mjs"].
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export default {
  label: 'Best on average',
  begin({ actions, support }) {
    const [sums, counts] = [new Float64Array(actions), new Float64Array(actions)];
    support.actions.forEach((action, i) => {
      sums[action] += support.rewards[i];
      counts[action] += 1;
    });
    const best = sums.reduce((to, sum, a) => (counts[a] > 0 && sum / counts[a] > sums[to] / Math.max(counts[to], 1) ? a : to), 0);
    return { act: () => best };
  },
};

const own = fileURLToPath(import.meta.url);

/** Plays it beside the oracle and chance. Not awaited at the top of the module, which the evaluation imports, too. */
async function compare(folder) {
  const { evaluateRegime, parseExperiment } = await import('@tiresias-rl/tiresias');
  const experiment = parseExperiment({ schema: 'tiresias.experiment/1', name: 'own', horizon: 5, evaluation: { tasks: 20, resamples: 200, methods: ['oracle', 'random', own] } });
  const { methods } = await evaluateRegime(experiment, 'mdp', { folder: join(folder, 'rows'), threads: 1 });
  for (const [name, { gapNorm }] of Object.entries(methods)) console.log(`${name.padEnd(10)} ${gapNorm.toFixed(2)}`);
}

// An evaluation imports the module under an address with a query of its own.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) void compare(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'tiresias-')));
