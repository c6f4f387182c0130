// Examples in words: what is told is what happened.
import { describe, expect, it } from 'vitest';
import { compactTokenizer, defaultTemplate, exampleInWords, streamExamples, type DatasetConfig, type ShardExample, type StreamSpec } from '../src/index.js';
import { readTrajectories } from '../src/dataset/words.js';

const spec = (regime: 'mdp' | 'pomdp' | 'apomdp'): StreamSpec => ({
  family: 'energy', split: 'train', seed: 3, regime, horizon: 6, models: 2, alpha: 1, nature: 'fixed',
  support: { trajectories: 3, behaviour: 'random' }, query: { behaviour: 'random' },
  solver: { gap: 0.3, timeSeconds: null }, template: null, examplesPerTask: 2, tasks: 3,
});

describe.each(['mdp', 'pomdp', 'apomdp'] as const)('an example of a %s', (regime) => {
  const template = defaultTemplate('energy', regime);
  const tokenizer = compactTokenizer([template]);

  it('tells rewards that add up to its returns, and the oracle’s opinion of every decision', async () => {
    let differs = 0;
    for await (const batch of streamExamples(spec(regime), tokenizer, { text: true })) {
      for (let i = 0; i < batch.rows; i++) {
        const text = batch.prompts[i]! + batch.completions[i]!;
        const trajectories = readTrajectories(text, template);
        expect(trajectories.map((steps) => steps.length)).toEqual([6, 6, 6, 6]);
        const returns = trajectories.slice(0, -1).map((steps) => steps.reduce((sum, { reward }) => sum + reward!, 0));
        returns.forEach((sum, k) => expect(sum).toBeCloseTo(batch.supportReturns[3 * i + k]!, 9));
        const oracle = Array.from(batch.oracleActions.slice(6 * i, 6 * (i + 1)));
        const example = {
          family: 'energy', split: 'train', index: batch.tasks[i]!, seed: 3, regime, horizon: 6, behaviour: 'random',
          prompt: batch.prompts[i]!, completion: batch.completions[i]!, oracleActions: oracle, regretBounds: Array.from(batch.regretBounds.slice(6 * i, 6 * (i + 1))),
        } as unknown as ShardExample;
        const words = exampleInWords(example, spec(regime) as unknown as DatasetConfig);
        const query = words.split('Query:\n')[1]!.split('\n');
        expect(query).toHaveLength(6);
        const names = ['harvest', 'conserve', 'perform'];
        query.forEach((line, t) => {
          const { action, seen, reward } = trajectories[3]![t]!;
          expect(line).toContain(`did ${names[action]!} (${oracle[t] === action ? 'as the oracle would' : `the oracle: ${names[oracle[t]!]!}`}`);
          expect(line).toContain(seen === null ? 'saw nothing yet' : String(seen));
          expect(line).toContain(reward === null ? 'reward not shown' : `reward ${reward}`);
          differs += Number(oracle[t] !== action);
        });
        expect(trajectories[3]![0]!.seen === null).toBe(regime !== 'mdp');
        expect(words).toMatch(new RegExp(`^Task ${batch.tasks[i]!} of energy, split train, seed 3, as ${regime.toUpperCase()}: p_h 0\\.`));
      }
    }
    expect(differs).toBeGreaterThan(0);
  });
});

it('says where a text does not follow the template', () => {
  const template = defaultTemplate('energy', 'mdp');
  for (const text of ['mdp\n#\n1x,0,20\n', 'mdp\n00,0,20\n', 'mdp\n#\n00,0,20', 'mdp\n#\n\n']) {
    expect(() => readTrajectories(text, template)).toThrow(/does not follow/);
  }
});
