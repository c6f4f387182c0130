import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { evaluateRegime, parseExperiment } from '../src/index.js';
import { root, scratch } from './support.js';

it('docs/own-method.md shows a method in ten lines, and it plays', async () => {
  const page = readFileSync(join(root, 'docs', 'own-method.md'), 'utf8');
  const source = /```js\n([\s\S]*?)```/.exec(page)![1]!;
  expect(source.trim().split('\n').length).toBeLessThanOrEqual(10);
  const folder = scratch();
  const path = join(folder, 'always-perform.mjs');
  writeFileSync(path, source);
  const experiment = parseExperiment({ schema: 'tiresias.experiment/1', name: 'own', horizon: 3, evaluation: { tasks: 2, resamples: 100, methods: ['oracle', 'random', path] } });
  const { methods } = await evaluateRegime(experiment, 'mdp', { folder: join(folder, 'rows'), threads: 1 });
  expect(Object.keys(methods)).toEqual(['oracle', 'random', 'always-perform']);
});
