// A valid Results object of any shape, with made-up numbers that hang together. Test code only.
import seedrandom from 'seedrandom';
import { holm } from '../src/evaluate/comparisons.js';
import { parseResults, type ComparisonResult, type MethodResult, type RegimeResult, type Results } from '../src/results.js';

export interface FixtureOptions {
  methods?: readonly string[];
  regimes?: readonly string[];
  horizon?: number;
  states?: number;
  steps?: number;
  adapters?: readonly string[];
  name?: string;
  seed?: string;
  /** Which method's episode is traced; none for no traces. */
  traced?: readonly string[];
}

const GAPS = new Map([['oracle', 0], ['sft', 0.22], ['icl', 0.81], ['random', 1]]);

/** Made-up methods of every family: name, label, family. */
const KNOWN: readonly (readonly [name: string, label: string, group: string])[] = [
  ['oracle', 'Oracle', 'reference'], ['random', 'Random', 'reference'], ['bayes', 'Bayes', 'reference'], ['qmdp', 'QMDP', 'reference'], ['robust', 'Robust', 'reference'],
  ['sft', 'Fine-tuned', 'language'], ['icl', 'In-context only', 'language'], ['random-base', 'Random base', 'language'], ['scratch', 'From scratch', 'language'],
  ['dpt', 'DPT', 'network'], ['ad', 'Algorithm Distillation', 'network'],
  ['bc-prompt', 'Behaviour cloning', 'imitation'], ['nearest', 'Nearest neighbour', 'imitation'],
  ['empirical', 'Empirical model', 'model'], ['posterior-sampling', 'Posterior sampling', 'model'], ['pessimistic', 'Pessimistic', 'model'], ['mixture', 'Mixture', 'model'],
  ['fqi', 'FQI', 'value'], ['cql', 'CQL', 'value'],
  ['always', 'Always perform', 'own'],
];
/** Twenty of them. */
export const TWENTY = KNOWN.map(([name]) => name);
const OPTIMAL = new Map([['mdp', 11.2], ['pomdp', 10.1]]);

export function fixture(options: FixtureOptions = {}): Results {
  const {
    methods = ['oracle', 'sft', 'icl', 'random'], regimes = ['mdp', 'pomdp', 'apomdp'], horizon = 10, states = 10, steps = 100,
    adapters = ['joint'], name = 'quickstart', seed = 'fixture', traced = ['sft'],
  } = options;
  const random = seedrandom(seed);
  const around = (x: number, width: number): [number, number] => [x - width * (0.8 + 0.4 * random()), x + width * (0.8 + 0.4 * random())];

  const method = (key: string, regime: string, optimal: number): MethodResult => {
    const exact = regime === 'mdp' || key === 'oracle';
    const norm = (GAPS.get(key) ?? 0.2 + 0.7 * random()) * (key === 'sft' && regime !== 'mdp' ? 2.6 : 1);
    const abs = norm * 9.4;
    const width = key === 'oracle' ? 0 : 0.05 + 0.03 * random();
    const interval = (x: number, scale: number): [number, number] => (width === 0 ? [x, x] : around(x, width * scale));
    const value = optimal - abs;
    const known = KNOWN.find(([name]) => name === key);
    const seedOf = /^(.*):seed-\d+$/.exec(key)?.[1];
    return {
      method: seedOf ?? key, label: known?.[1] ?? (seedOf === undefined ? key : KNOWN.find(([name]) => name === seedOf)?.[1] ?? seedOf), group: known?.[2] ?? (seedOf === undefined ? 'own' : 'language'), seedOf,
      gapAbs: abs, gapAbsCi95: interval(abs, 9.4), gapRel: abs / optimal, gapRelCi95: interval(abs / optimal, 9.4 / optimal),
      gapNorm: norm, gapNormCi95: interval(norm, 1), value, valueCi95: around(value, 0.6),
      agreement: 1 - norm * 0.6, agreementCi95: interval(1 - norm * 0.6, 0.4),
      regretByStep: Array.from({ length: horizon }, (_, t) => (abs / horizon) * (1.3 - (0.6 * t) / horizon) * (0.9 + 0.2 * random())),
      tasks: 60, episodes: 60, exact,
      ...(regime === 'apomdp' && { cloud: { perModel: [value + 0.4, value + 0.1, value + 1.1], perModelCi95: [around(value + 0.4, 0.5), around(value + 0.1, 0.5), around(value + 1.1, 0.5)], worst: value - 0.3, worstCi95: around(value - 0.3, 0.5), average: value + 0.5, averageCi95: around(value + 0.5, 0.5) } }),
    };
  };

  const trace = (key: string, hidden: boolean): RegimeResult['traces'][number] => {
    let state = Math.floor(states / 3);
    return {
      method: key, task: 7,
      steps: Array.from({ length: horizon }, (_, t) => {
        const oracle = state >= 3 ? 2 : 0;
        const action = key !== 'oracle' && random() < 0.25 ? 1 : oracle;
        const mass = Array.from({ length: states }, (_unused, s) => Math.exp(-((s - state) ** 2) / (t === 0 ? 1e4 : 1.2)));
        const total = mass.reduce((a, b) => a + b, 0);
        const step = {
          t, state, observation: hidden && t > 0 ? Math.max(0, Math.min(states - 1, state + Math.floor(random() * 3) - 1)) : null, action,
          oracleAction: oracle, reward: [-0.2, 0, 2][action]!, ...(hidden && { belief: mass.map((p) => p / total) }),
        };
        state = Math.max(0, Math.min(states - 1, state + [2, 0, -2][action]!));
        return step;
      }),
    };
  };

  const compare = (found: Readonly<Record<string, MethodResult>>): ComparisonResult[] => {
    const reference = Object.hasOwn(found, 'sft') ? 'sft' : Object.keys(found).find((key) => found[key]!.group !== 'reference');
    const ours = reference === undefined ? undefined : found[reference]!;
    if (!ours) return [];
    const compared = Object.entries(found).filter(([versus]) => versus !== reference).map(([versus, theirs]) => {
      const difference = ours.gapNorm - theirs.gapNorm;
      const valueDifference = ours.value - theirs.value;
      return {
        method: reference!, versus, gapNorm: difference, gapNormCi95: around(difference, 0.05), gapAbs: -valueDifference, gapAbsCi95: around(-valueDifference, 0.5),
        p: Math.max(1e-4, Math.min(1, Math.exp(-(Math.abs(difference) / 0.02)))),
      };
    });
    const corrected = holm(compared.map(({ p }) => p));
    return compared.map((comparison, i) => ({ ...comparison, pHolm: corrected[i]! }));
  };

  const regime = (key: string): RegimeResult => {
    const optimal = OPTIMAL.get(key) ?? 8.7;
    const measured = Object.fromEntries(methods.map((m) => [m, method(m, key, optimal)]));
    return {
      horizon, optimal, lower: optimal - (key === 'mdp' ? 0 : 0.004), upper: optimal + (key === 'mdp' ? 0 : 0.006),
      methods: measured, comparisons: compare(measured),
      traces: traced.filter((m) => methods.includes(m)).map((m) => trace(m, key !== 'mdp')),
    };
  };

  return parseResults({
    schema: 'tiresias.results/3', name, version: '0.1.0',
    machine: { cpu: 'Example CPU 3.0 GHz', cores: 2, memoryBytes: 4.2e9, node: 'v20.19.0', platform: 'linux x64' },
    experiment: { schema: 'tiresias.experiment/1', name, seed: 20260509, family: 'energy', regimes, horizon },
    actions: ['harvest', 'conserve', 'perform'],
    baseModel: { name: 'smollm2-135m-instruct', sha256: 'ab'.repeat(32) },
    datasets: regimes.map((key, i) => ({
      regime: key, examples: 400, tasks: 400, tokens: 81_234 + i, labels: 4000, bytes: 734_003, meanRegretBound: i * 1.2e-3, maxRegretBound: i * 9e-3, seconds: 2 + i,
    })),
    training: adapters.map((adapter) => ({
      name: adapter, regimes, parameters: 134_515_008, trainable: 4_884_480, examples: 400 * regimes.length, steps, tokens: 184_000, seconds: 511,
      tokensPerSecond: 360, matmulPeakGflops: 250, matmulShare: 0.61, peakRssBytes: 1.4e9,
      curve: Array.from({ length: steps }, (_, i) => ({
        step: i + 1, loss: 0.3 + 1.1 * Math.exp(-i / 18) + 0.15 * random(), accuracy: Math.min(1, 0.88 - 0.5 * Math.exp(-i / 18) + 0.12 * (random() - 0.5)), lr: 0.002 * (1 - i / steps),
      })),
    })),
    stages: [
      { name: 'datasets', seconds: 9.1, peakRssBytes: 2.1e8 }, { name: 'training', seconds: 511, peakRssBytes: 1.4e9 }, { name: 'evaluation', seconds: 204.4 }, { name: 'report', seconds: 0.8 },
    ],
    regimes: Object.fromEntries(regimes.map((key) => [key, regime(key)])),
  });
}
