// Writes docs/benchmarks/README.md and its figures from bench/results/*.json: `node scripts/benchmarks-page.mjs`, after `npm run build:ts`, which does so
// itself. A result that is not described here is shown as it lies in its file.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { draw, nameAxis } from '../dist/report/draw.js';
import { sheetSvg } from '../dist/report/sheet.js';

const results = fileURLToPath(new URL('../bench/results', import.meta.url));
const out = fileURLToPath(new URL('../docs/benchmarks', import.meta.url));
const read = (file) => JSON.parse(readFileSync(join(results, file), 'utf8'));

// ── Numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const minus = (text) => text.replaceAll('-', '−');
/** Three significant digits, with commas in thousands. */
function number(x) {
  if (typeof x !== 'number') return '';
  if (x !== 0 && Math.abs(x) < 1e-4) return minus(x.toExponential(1));
  return minus(x.toLocaleString('en', Number.isInteger(x) || Math.abs(x) >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 }));
}
/** Six, for bounds that are close to one another. */
const bound = (x) => minus((Math.abs(x) < 1e-9 ? 0 : x).toLocaleString('en', { maximumSignificantDigits: 6 }));
const times = (x) => (typeof x === 'number' && Number.isFinite(x) ? `${number(x)} ×` : '');
const percent = (x) => `${number(100 * x)} %`;
const bounds = ({ lower, upper }) => `[${bound(lower)}, ${bound(upper)}]`;
const mebibytes = (x) => number(Math.round(x / 2 ** 20));

function table(head, rows, textColumns = 1) {
  return [head, head.map((_, i) => (i < textColumns ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

// ── What each file holds ──────────────────────────────────────────────────────────────────────────────────────────────

const serving = ({ ping, rows }) => ({
  text: `Beside them, in the same rounds, a bare server that answers "pong": ${number(ping.answersPerSecond)} answers a second, ${number(ping.processorMicrosecondsAnAnswer)} µs of the processor for each.`,
  table: table(['what is asked', 'decisions a second', 'answers beside the bare server\'s', 'the same by processor time', 'processor µs an answer', '99 % of the answers within, ms', 'the same at half the rate, ms'],
    rows.map((row) => [row.name, number(Math.round(row.decisionsPerSecond)), percent(row.shareOfPing), percent(row.shareOfPingByProcessor), number(row.processorMicrosecondsAnAnswer), number(row.p99Milliseconds), number(row.p99MillisecondsAtHalfLoad)])),
  bars: { unit: 'Decisions a second', rows: rows.map(({ name, decisionsPerSecond }) => [name, decisionsPerSecond]) },
});

const throughput = ({ figures, f32MatmulPeakGflops }) => {
  const kinds = [...new Set(Object.values(figures).flatMap(Object.keys))];
  return {
    text: `Tokens a processor-second of one thread; in brackets beside f32. The machine's peak for matrix products in f32: ${number(f32MatmulPeakGflops)} GFLOP/s.`,
    table: table(['what', ...kinds], Object.entries(figures).map(([what, rates]) => [what, ...kinds.map((kind) => `${number(rates[kind])}${kind === 'f32' ? '' : ` (${times(rates[kind] / rates.f32)})`}`)])),
  };
};

/** Rows of a bench (bench/digest.mjs), ours beside SARSOP. A gap below the one that was asked for, at which a solver may stop, counts as that one. */
function besideSarsop(models, asked) {
  const shown = ({ auto, sarsop }) => [bounds(auto), number(auto.gap), number(auto.seconds), ...(sarsop?.gap === undefined ? ['', '', '', ''] : [bounds(sarsop), number(sarsop.gap), number(sarsop.seconds), times(Math.max(sarsop.gap, asked) / Math.max(auto.gap, asked))])];
  return table(['file', 'ours', 'gap', 's', 'SARSOP', 'gap', 's', 'their gap / ours'], Object.entries(models).map(([name, one]) => [`\`${name}\``, ...shown(one)]));
}
const verdict = ({ closedByBoth = 0, subjectCloser = 0, otherCloser = 0, onlySubject = 0, onlyOther = 0, notComparable = 0 }) =>
  `both close the gap on ${closedByBoth}, ours is closer on ${subjectCloser}, SARSOP on ${otherCloser}; only ours has bounds on ${onlySubject}, only SARSOP on ${onlyOther}; ${notComparable} cannot be compared`;

const RESULTS = [
  {
    file: 'families.json', title: 'Families as documents', page: ['your-own-family', 'families'],
    says: 'Tasks a second on one core, of families that are written as documents and of the same families built in.',
    show: ({ rows }) => ({
      table: table(['family', 'regime', 'document', 'built in', 'built in / document'], rows.map(({ family, regime, ratio, tasksPerSecond: { builtIn, document } }) => [family, regime, number(document), number(builtIn), times(ratio)]), 2),
    }),
  },
  {
    file: 'near-one.json', title: 'Solvers where the discount is close to one', page: ['point-based', 'bench'],
    says: 'Our solver beside SARSOP on model files with a discount of 0.999 and more: the gap between the proven bounds when the time is over.',
    show: ({ models, counts: { sarsop } }) => ({
      text: `Of ${Object.keys(models).length} files: ${verdict(sarsop)}. A gap below 0.001, at which a solver may stop, counts as that one in the last column.`,
      table: besideSarsop(models, 0.001),
      folded: true,
    }),
  },
  {
    file: 'suite.json', title: 'Solvers on a suite of files', page: ['point-based', 'bench'],
    says: 'Our solver beside SARSOP on all model files of a public suite: the gap between the proven bounds when the time is over.',
    show: ({ models, gap, byTime }) => ({
      text: Object.entries(byTime).map(([time, { sarsop }]) => `After ${time} s, of ${Object.values(models).filter((one) => one[time]).length} files: ${verdict(sarsop)}.`).join(' '),
      table: Object.keys(byTime).map((time) => `After ${time} s:\n\n${besideSarsop(Object.fromEntries(Object.entries(models).flatMap(([name, one]) => (one[time] ? [[name, one[time]]] : []))), gap)}`).join('\n\n'),
      folded: true,
    }),
  },
  {
    file: 'ambiguity.json', title: 'Kinds of ambiguity', page: ['ambiguity'],
    says: 'What it costs to solve for each kind of ambiguity, and what it is worth to take one for another.',
    show: ({ families, robust }) => ({
      text: 'Means over the tasks of the proven lower bound, when nature chooses at every step, when it chooses once for an episode, and when the policy of the first plays in a world of the second; and the median time to solve.',
      table: [
        table(['family', 'tasks', 'horizon', 'each step', 'each episode', 'the first in the second', 'each step, s', 'each episode, s'], families.map(({ family, tasks, horizon, means, medianSeconds }) => [family, number(tasks), horizon == null ? 'its own' : number(horizon), number(means.step), number(means.episode), number(means.stepInAStaticWorld), number(medianSeconds.step), number(medianSeconds.episode)])),
        'Sets of a radius around every row of classic problems:',
        table(['problem', 'radius', 'bounds', 's', 'stopped'], robust.flatMap(({ model, nominal, rows }) => [[model, 'none', bounds(nominal), number(nominal.seconds), ''], ...rows.map((row) => [model, number(row.radius), bounds(row), number(row.seconds), row.stopped])])),
      ].join('\n\n'),
    }),
  },
  {
    file: 'methods.json', title: 'Methods without a network: cost and gap', page: ['methods'],
    says: 'Every method that needs no network, on the energy family: microseconds an episode, and the normalised gap (0 is optimal, 1 is random).',
    show: ({ rows }) => ({
      table: table(['regime', 'method', 'µs an episode', 'normalised gap'], rows.map(({ regime, method, microsecondsAnEpisode, gapNorm }) => [regime.toUpperCase(), method === 'world' ? 'the tasks alone' : `\`${method}\``, number(microsecondsAnEpisode), gapNorm === undefined ? '' : gapNorm < 1e-9 ? '0' : number(gapNorm)]), 2),
    }),
  },
  {
    file: 'methods-run.json', title: 'All methods in one run', page: ['methods'],
    says: 'The normalised gap (0 is optimal, 1 is random) of every method on the energy family, with 95 % intervals.',
    show({ regimes, stages }) {
      const names = [...new Set(Object.values(regimes).flatMap(({ methods }) => Object.keys(methods)))];
      const cell = (one) => (one === undefined ? '' : `${one.gapNorm.toFixed(3)} [${one.gapNormCi95.map((x) => x.toFixed(3)).join(', ')}]`.replaceAll('-', '−'));
      const best = (name) => Object.values(regimes).reduce((sum, { methods }) => sum + (methods[name]?.gapNorm ?? 0), 0);
      const everywhere = names.filter((name) => Object.values(regimes).every(({ methods }) => methods[name]) && !['oracle', 'random'].includes(name)).sort((a, b) => best(a) - best(b));
      return {
        table: `${table(['method', ...Object.keys(regimes).map((name) => name.toUpperCase())], names.map((name) => [`\`${name}\``, ...Object.values(regimes).map(({ methods }) => cell(methods[name]))]))}\n\nThe stages of the run, of more than a second: ${stages.filter(({ seconds }) => seconds > 1).map(({ name, seconds }) => `${name} ${number(seconds)} s`).join(', ')}.`,
        bars: { unit: 'Normalised gap, mean of the three regimes', rows: everywhere.map((name) => [name, best(name) / 3]) },
      };
    },
  },
  {
    file: 'train.json', title: 'Fine-tuning beside PyTorch', page: ['training'],
    says: 'QLoRA of SmolLM2-135M on the same rows by our trainer and by a plain PyTorch loop with peft; the losses of the first step are the same.',
    show: ({ figures }) => ({
      table: table(['who', 'arithmetic', 'tokens a processor-second', 'beside PyTorch'], figures.map(({ who, arithmetic, tokensPerProcessorSecond, ratio }) => [who, arithmetic, number(tokensPerProcessorSecond), times(ratio)]), 2),
      bars: { unit: 'Tokens a processor-second', rows: figures.map(({ who, arithmetic, tokensPerProcessorSecond }) => [`${who}, ${arithmetic}`, tokensPerProcessorSecond]) },
    }),
  },
  { file: 'train-bf16.json', title: 'Training and deciding in bf16, with AMX', page: ['training'], says: 'Our trainer and decider of SmolLM2-135M in several arithmetics.', show: throughput },
  { file: 'train-bf16-zen4.json', title: 'Training and deciding in bf16, without AMX', page: ['training'], says: 'The same on a processor with AVX512-BF16.', show: throughput },
  {
    file: 'dpt.json', title: 'The Decision-Pretrained Transformer beside PyTorch', page: ['training'],
    says: 'Training of a small network from nothing, the whole trainer beside a PyTorch loop: seconds a step, and how many times as long as ours.',
    show: ({ figures }) => ({
      table: table(['who', 'threads', 'seconds a step', 'beside ours', 'processor seconds a step', 'beside ours'], figures.map(({ who, threads, clock, clockRatio, processor, processorRatio }) => [who, number(threads), number(clock), times(clockRatio), number(processor), times(processorRatio)])),
      bars: { unit: 'Seconds a step', rows: figures.map(({ who, threads, clock }) => [`${who}, ${threads === 1 ? '1 thread' : `${threads} threads`}`, clock]) },
    }),
  },
  {
    file: 'study-rates.json', title: 'Networks from nothing: rates', page: ['studies'], says: 'By these rates a study says beforehand how long it will take.',
    show: ({ networks, unit, source }) => ({ text: `${unit[0].toUpperCase()}${unit.slice(1)}; from ${source}.`, table: table(['network', 'rate'], Object.entries(networks).map(([name, rate]) => [`\`${name}\``, number(rate)])) }),
  },
  {
    file: 'studies-small.json', title: 'All studies with the small budget', page: ['studies'], says: 'How long all studies take together with their smallest budget.',
    show: ({ studies, seconds, processorSeconds }) => ({ table: table(['studies', 'seconds', 'processor seconds'], [[studies.join(', '), number(seconds), number(processorSeconds)]]) }),
  },
  {
    file: 'serve.json', title: 'Decisions over HTTP', page: ['serving'], says: '`tiresias serve` over the loopback with sessions in memory or in SQLite.', show: serving,
  },
  {
    file: 'serve-peers.json', title: 'Decisions over HTTP beside Python services', page: ['serving'], says: '`tiresias serve` beside Python services that hold the same α-vectors. The Python services act by the best vector, as ours does with `--no-lookahead`.', show: serving,
  },
  {
    file: 'responsive.json', title: 'A process that solves stays responsive', page: ['serving'], says: 'How long reading a file takes in a process that solves on every core, beside an idle one.',
    show: ({ p99Idle, p99Busy, ratio, rounds }) => ({ table: table(['rounds', '99 % of the reads within, idle, ms', 'solving, ms', 'ratio, median of the rounds'], [[number(rounds.length), number(p99Idle), number(p99Busy), times(ratio)]], 0) }),
  },
  {
    file: 'packages.json', title: 'The packages, installed and run', page: ['installing'],
    says: 'What is published, installed from a registry on the same machine into an empty folder without Rust, by each installer; and imported, required and run as a command by each runtime.',
    show: ({ packages, installers, runtimes }) => ({
      text: `${packages.map(({ name, bytes }) => `\`${name}\`: ${number(bytes / 1e6)} MB`).join('; ')}. The time to install is mostly that of the packages it depends on; the time to import is beside that of an empty program.`,
      table: [
        table(['installer', 'version', 'installs', 'seconds', 'MB on disk'], installers.map((row) => [row.name, row.version, row.ok ? 'yes' : 'no', number(row.seconds), number(row.bytes / 1e6)]), 3),
        table(['runtime', 'version', 'imports, requires, runs', 'importing, ms'], runtimes.map((row) => [row.name, row.version, row.ok ? 'yes' : 'no', number(Math.round(1000 * row.importSeconds))]), 3),
      ].join('\n\n'),
    }),
  },
  {
    file: 'parts.json', title: 'A dataset in parts, with processes killed', page: ['cluster'], says: 'A dataset made by many processes, of which some are killed and some of whose files are damaged on purpose: nothing is lost, and nothing is made twice but what was damaged.',
    show: ({ shards, parts, launches, kills, damaged, damagedNamed, lost, madeTwice, right, seconds }) => ({ table: table(['shards', 'parts', 'launches', 'kills', 'damaged, and found', 'right at the end', 'lost', 'made twice', 'seconds'], [[shards, parts, launches, kills.half + kills.whole + kills.named].map(number).concat(`${number(damaged)}, ${number(damagedNamed)}`, ...[right, lost, madeTwice, seconds].map(number))], 0) }),
  },
  {
    file: 'logs.json', part: 'import', title: 'Reading records', page: ['your-own-data'], says: 'Ten million decisions in a CSV file into trajectories, beside Polars, which reads the same file into a data frame.',
    show: ({ steps, bytes, threads, ours, peer }) => ({
      text: `${number(steps)} rows, ${mebibytes(bytes)} MiB, ${threads} threads.`,
      table: table(['who', 'seconds', 'processor seconds', 'peak memory, MiB', 'as fast as the other, by the clock', 'by the processor'], [['ours', number(ours.seconds), number(ours.processor), mebibytes(ours.peakBytes), times(ours.timesFaster), times(ours.timesLessProcessor)], [peer.version, number(peer.seconds), number(peer.processor), mebibytes(peer.peakBytes), '', '']]),
    }),
  },
  {
    file: 'logs.json', part: 'em', title: 'Fitting a model with hidden states', page: ['your-own-data'], says: 'Iterations of expectation–maximisation, beside hmmlearn.',
    show: ({ states, symbols, episodes, steps, peer, oneThread, twoThreads }) => ({
      text: `${number(states)} states, ${number(symbols)} symbols, ${number(episodes)} episodes of ${number(steps)}.`,
      table: table(['who', 'seconds', 'processor seconds', 'faster, by the clock', 'by the processor'], [['ours, one thread', number(oneThread.seconds), number(oneThread.processor), times(oneThread.timesFaster), times(oneThread.timesLessProcessor)], ['ours, two threads', number(twoThreads.seconds), number(twoThreads.processor), times(twoThreads.timesFaster), times(twoThreads.timesLessProcessor)], [peer.version, number(peer.seconds), number(peer.processor), '', '']]),
    }),
  },
  {
    file: 'fit.json', title: 'Fitting a model with hidden states, the iteration alone', page: ['your-own-data'], says: 'One iteration of expectation–maximisation in Rust, beside hmmlearn.',
    show: ({ problem, iterations, peer, ratioOfProcessorSeconds, floor }) => ({
      text: `${number(problem.states)} states, ${number(problem.symbols)} symbols, ${number(problem.episodes)} episodes of ${number(problem.steps)}. The least that it takes: ${floor}. With one action and one thread ours takes ${number(ratioOfProcessorSeconds)} times less processor time.`,
      table: table(['who', 'actions', 'threads', 'seconds', 'processor seconds'], [...iterations.map((row) => ['ours', row.actions, row.threads, number(row.seconds), number(row.processorSeconds)]), [peer.name, peer.actions, peer.threads, number(peer.seconds), number(peer.processorSeconds)]]),
    }),
  },
  {
    file: 'logs.json', part: 'off-policy', title: 'Off-policy estimates', page: ['off-policy'], says: 'All estimates of a policy, with their bootstrap intervals.',
    show: ({ episodes, steps, oneThread, twoThreads }) => ({
      text: `${number(episodes)} episodes of ${number(steps)} decisions.`,
      table: table(['threads', 'seconds', 'processor seconds', 'peak memory, MiB'], [['one', oneThread], ['two', twoThreads]].map(([name, one]) => [name, number(one.seconds), number(one.processor), mebibytes(one.peakBytes)])),
    }),
  },
  {
    file: 'logs-study.json', title: 'What records are worth', page: ['findings/logs'], says: 'What policies of fitted models earn where the truth is known. Its tables and figures are a finding of their own.',
    show: ({ results: settings, rows }) => ({ text: `${settings.length} settings, ${rows.length} repetitions in all: [findings](../findings/logs.md).` }),
  },
  {
    file: 'public-logs.json', title: 'What records of worlds that are not ours are worth', page: ['findings/public-logs'], says: 'The same in environments of Gymnasium, recorded by Minari, and on the logs of a fashion shop. Its tables are a finding of their own.',
    show: ({ results: settings, rows }) => ({ text: `${settings.length} settings, ${rows.length} repetitions in all: [findings](../findings/public-logs.md).` }),
  },
];

/** A result that nobody has described: its words and numbers, one a row. */
function asItLies(data) {
  const rows = [];
  const walk = (value, path) => {
    if (value !== null && typeof value === 'object') for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
    else rows.push([path.join(' '), typeof value === 'number' ? number(value) : String(value).replaceAll('|', '\\|')]);
  };
  const { command: _, date: __, machine: ___, about: ____, note: _____, version: ______, ...rest } = data;
  walk(rest, []);
  return { table: table(['what', 'value'], rows), folded: rows.length > 20 };
}

// ── The page ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Bars, a row each, with their numbers. */
async function figure(name, title, { unit, rows }) {
  const values = rows.map(([label, value]) => ({ label, value, said: number(value) }));
  const names = values.map(({ label }) => label);
  const svg = await draw({
    width: 640, height: 26 * values.length + 50, autosize: { type: 'fit', contains: 'padding' }, data: { values },
    encoding: {
      y: { field: 'label', type: 'nominal', sort: names, axis: nameAxis(names) },
      x: { field: 'value', type: 'quantitative', axis: { title: unit, format: '~s' }, scale: { domainMin: 0, domainMax: 1.12 * Math.max(...values.map(({ value }) => value)) } },
    },
    layer: [{ mark: { type: 'bar', height: 14, color: 'var(--h1-0)' } }, { mark: { type: 'text', align: 'left', dx: 4 }, encoding: { text: { field: 'said' } } }],
  }, `${title}. ${unit}: ${values.map(({ label, said }) => `${label} ${said}`).join('; ')}.`);
  const path = join('figures', `${name}.svg`);
  writeFileSync(join(out, path), sheetSvg({ name, title, rows: [{ figures: [{ title: '', svg }] }] }));
  return `![${title}; the table holds the numbers](${path.replaceAll('\\', '/')})`;
}

function machine({ machine: one }) {
  if (one === undefined) return 'machine not recorded';
  // Three numbers are the means of the last minute, of five and of fifteen; two are the first and the last of the run.
  const load = one.load?.length === 3 ? number(one.load[0]) : Array.isArray(one.load) ? one.load.map(number).join(' to ') : typeof one.load === 'number' ? number(one.load) : one.load;
  return `${one.cores} cores of ${one.cpu}${load === undefined ? '' : `, load ${load}`}`;
}

async function section({ file, part, title, page = [], says, show }) {
  const whole = read(file);
  const data = part === undefined ? whole : whole[part];
  const about = data.about ?? data;
  const { text, table: rows, folded = false, bars } = show(data);
  const name = `${file.replace('.json', '')}${part === undefined ? '' : `-${part}`}`;
  return [
    `## ${title}`, says, ...(text ? [text] : []),
    ...(bars ? [await figure(name, title, bars)] : []),
    ...(rows ? [folded ? `<details><summary>The table</summary>\n\n${rows}\n\n</details>` : rows] : []),
    ...(about.note ? [about.note] : []),
    `\`${about.command ?? 'command not recorded'}\`, ${(about.date ?? 'no date').slice(0, 10)}, ${machine(about)}${about.version ? `, version ${about.version}` : about.commit ? `, commit ${about.commit}` : ''}. Result: [${file}](../../bench/results/${file}).${page.length > 0 ? ` What it is about: ${page.map((one) => `[${one}](../${one}.md)`).join(', ')}.` : ''}`,
  ].join('\n\n');
}

const described = new Set(RESULTS.map(({ file }) => file));
const others = readdirSync(results).filter((file) => file.endsWith('.json') && !described.has(file)).sort();
const notes = readdirSync(out).filter((file) => file.endsWith('.md') && file !== 'README.md').sort();

rmSync(join(out, 'figures'), { recursive: true, force: true });
mkdirSync(join(out, 'figures'), { recursive: true });
const sections = [];
for (const one of [...RESULTS, ...others.map((file) => ({ file, title: file.replace('.json', ''), says: 'A result without a description of its own.', show: asItLies }))]) sections.push(await section(one));
writeFileSync(join(out, 'README.md'), `${[
  '# Benchmarks',
  'What was measured, with the command, the machine and the date. Made by scripts/benchmarks-page.mjs from [bench/results](../../bench/results): do not edit. How the programs measure, and how to run them: [bench/README.md](../../bench/README.md).',
  'Load is the number of processes that wanted a core while it was measured; above the number of cores the clock counts other work too, and processor time is the fairer number.',
  ...sections,
  '## Notes', 'Measurements whose output was not kept as a file, and notes on those above, as they were written on their dates. The next run of the same command may say something else.',
  notes.map((file) => `- [${/^# (.*)$/m.exec(readFileSync(join(out, file), 'utf8'))[1]}](${file})`).join('\n'),
  '## Studies', 'What the studies came to is in the [findings](../findings/README.md).',
].join('\n\n')}\n`);
