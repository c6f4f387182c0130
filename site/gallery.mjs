// The gallery: small reports, made when the site is built by the commands that stand above them.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tiresias } from './command.mjs';
import { BASE } from './links.mjs';
import { root, staged, write } from './pages.mjs';

const clinic = join(root, 'experiments', 'logs');

/** An experiment without a language model, which takes seconds. */
const EXPERIMENT = {
  schema: 'tiresias.experiment/1', name: 'references', family: 'energy', seed: 1, solver: { gap: 0.05 },
  evaluation: { split: 'test', tasks: 20, episodes: 2, methods: ['oracle', 'bayes', 'posterior-sampling', 'empirical', 'bc-prompt', 'random'] },
};

/** Each: its title, what it shows, the commands, the page that they leave, and pictures of it; paths are in the folder where they run. */
const REPORTS = [
  {
    name: 'run', title: 'An experiment', says: 'Six methods on twenty tasks in three regimes. None of them is a language model, so that the run takes seconds. The page says how far each is from optimal, with intervals and paired comparisons.',
    shown: `\`\`\`json\n${JSON.stringify(EXPERIMENT, null, 2)}\n\`\`\``,
    commands: ['run --config experiment.json'], page: 'runs/references/report/report.html', pictures: [['runs/references/report/figures/gap.svg', 'The normalised gap of each method in each regime']],
  },
  {
    name: 'study', title: 'A study', says: 'The main question of the project: does fine-tuning bring a language model closer to optimal, and what does the horizon change? The page is drawn from the finished cells that come with the package.',
    commands: ['reproduce main --budget medium --out study'], page: 'study/report.html', pictures: [],
    after: '![The normalised gap of each method by horizon and regime](../docs/findings/figures/main.svg)',
  },
  {
    name: 'solve', title: 'A policy', says: 'The tiger problem: the policy as a graph, what is done at every belief, and how the proven bounds met.',
    commands: ['solve tiger --graph graph.svg --belief-plot belief.svg --bounds-plot bounds.svg'], pictures: [['graph.svg', 'The policy as a graph: listen until one door is likely enough'], ['belief.svg', 'The action and the bounds over all beliefs'], ['bounds.svg', 'The bounds over time']],
  },
  {
    name: 'solvers', title: 'Solvers beside one another', says: 'Three of our solvers on two classic problems: bounds, gaps, times, and whether their proofs agree.',
    commands: ['bench tiger rock-sample:4,4 --solvers auto,search,plans --time 1 --out bench'], page: 'bench/index.html', pictures: [],
  },
  {
    name: 'records', title: 'Recorded decisions', says: 'Records of a clinic that does not exist: what the columns mean, what was done how often, and what the records do not show.',
    commands: ['import clinic.csv --schema clinic.schema.json --out fit.parquet --report records.html'], page: 'records.html', pictures: [],
  },
];

async function entry({ name, title, says, shown, commands, page, pictures, after }, folder) {
  let last = '';
  for (const command of commands) last = await tiresias(command.split(' '), folder);
  const pages = join(staged, 'public', 'gallery');
  mkdirSync(pages, { recursive: true });
  if (page) copyFileSync(join(folder, page), join(pages, `${name}.html`));
  const shownPictures = pictures.map(([path, text]) => {
    const own = `${name}-${path.split('/').at(-1)}`;
    copyFileSync(join(folder, path), join(pages, own));
    return `![${text}](/gallery/${own})`;
  });
  return [
    `## ${title}`, says, ...(shown ? [shown] : []),
    `\`\`\`sh\n${commands.map((command) => `npx tiresias ${command}`).join('\n')}\n\`\`\``,
    ...(page ? [`<a href="${BASE}gallery/${name}.html" target="_blank">Open the page that it leaves</a>`] : [`\`\`\`text\n${last}\`\`\``]),
    ...shownPictures, ...(after ? [after] : []),
  ].join('\n\n');
}

/** Makes the reports and the page that shows them. */
export async function gallery() {
  const folder = mkdtempSync(join(tmpdir(), 'tiresias-gallery-'));
  try {
    writeFileSync(join(folder, 'experiment.json'), JSON.stringify(EXPERIMENT));
    for (const file of ['clinic.csv', 'clinic.schema.json']) copyFileSync(join(clinic, file), join(folder, file));
    const entries = [];
    for (const report of REPORTS) entries.push(await entry(report, folder));
    write('gallery/index.md', [
      '# Gallery', 'Small reports. The commands that are shown have made them, when this site was built.', ...entries,
      '## A service', 'The page of `npx tiresias serve`: policies, live sessions, and what a session believes. How to start it: [decisions for services](../docs/serving.md).',
      '![Policies, sessions and the belief of one session](../docs/images/serve-page.png)',
    ].join('\n\n'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
