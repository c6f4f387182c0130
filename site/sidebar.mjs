// What stands beside the pages: groups for those who come with a purpose, in the order in which they read. A page that is not there has no entry, and a
// page of docs/ that no group names stands in the last one, so that none is lost.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { staged, title } from './pages.mjs';

const GROUPS = [
  ['Start', ['README.md', 'docs/installing.md', 'docs/quick-start.md', 'docs/glossary.md', 'docs/index.md', 'examples/index.md']],
  ['Tutorials', ['docs/tutorials/researcher.md', 'docs/tutorials/solver-benchmarker.md', 'docs/tutorials/service-engineer.md', 'docs/tutorials/health-analyst.md']],
  ['Experiments with language models', ['docs/paper.md', 'docs/protocol.md', 'docs/datasets.md', 'docs/bases.md', 'docs/training.md', 'docs/studies.md', 'docs/theory.md', 'docs/cluster.md', 'docs/own-method.md']],
  ['Solving models', ['docs/mdp.md', 'docs/exact.md', 'docs/point-based.md', 'docs/apomdp.md', 'docs/ambiguity.md', 'docs/indefinite-horizon.md', 'docs/reading-policies.md', 'docs/simulation.md', 'docs/bench.md']],
  ['Decisions for services', ['docs/serving.md', 'docs/python.md']],
  ['Records of your own', ['docs/your-own-data.md', 'docs/off-policy.md']],
  ['Tasks', ['docs/families.md', 'docs/your-own-family.md']],
  ['Solvers', ['docs/solvers.md', 'docs/solvers/*']],
  ['Methods', ['docs/methods.md', 'docs/methods/*']],
  ['Reference', ['docs/experiment.md', 'docs/exit-codes.md', 'reference/index.md']],
  ['Formats and contracts', ['docs/model-format.md', 'docs/model-files.md', 'docs/contracts.md', 'docs/versions.md']],
  ['What came of it', ['docs/findings/index.md', 'docs/findings/*', 'docs/benchmarks/index.md', 'docs/benchmarks/*', 'bench/index.md', 'gallery/index.md']],
  ['The project', ['CHANGELOG.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'RELEASING.md', 'SECURITY.md', 'crates/*', 'python/*']],
];

/** Groups that are open before the reader opens them. */
const OPEN = new Set(['Start', 'Tutorials']);

/** Titles that are too long, or say too little, beside a page. */
const SHORT = { 'README.md': 'What it is', 'docs/index.md': 'All documents', 'docs/findings/index.md': 'Findings', 'docs/benchmarks/index.md': 'Benchmarks', 'examples/index.md': 'Examples', 'bench/index.md': 'How it is measured', 'reference/index.md': 'TypeScript and Rust' };

/** The sidebar of the pages that are there; the members of the TypeScript library are listed on a page, and found by the search. */
export function sidebar() {
  const pages = readdirSync(staged, { recursive: true }).map((path) => path.replaceAll('\\', '/')).filter((path) => path.endsWith('.md')).sort();
  const left = new Set(pages.filter((page) => page !== 'index.md' && !page.startsWith('reference/api/')));
  const entry = (page) => ({ text: SHORT[page] ?? /^docs\/solvers\/(.*)\.md$/.exec(page)?.[1] ?? title(readFileSync(join(staged, page), 'utf8')), link: `/${page.replace(/\.md$/, '').replace(/(?<=^|\/)index$/, '')}` });
  const group = (text, wanted) => {
    const own = wanted.flatMap((name) => [...left].filter((page) => page === name || (name.endsWith('*') && page.startsWith(name.slice(0, -1)))).filter((page) => left.delete(page)));
    return { text, collapsed: !OPEN.has(text), items: own.map(entry) };
  };
  const groups = GROUPS.map(([text, wanted]) => group(text, wanted));
  return [...groups, group('More', [...left])].filter(({ items }) => items.length > 0);
}
