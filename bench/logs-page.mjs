// Writes docs/findings/logs.md and its figure from bench/results/logs-study.json: `node bench/logs-page.mjs`, after `npm run build:ts`.
import { readFileSync, writeFileSync } from 'node:fs';
import { draw } from '../dist/report/draw.js';
import { html } from '../dist/report/html.js';
import { sheetSvg } from '../dist/report/sheet.js';

const study = JSON.parse(readFileSync(new URL('results/logs-study.json', import.meta.url), 'utf8'));
const { results, settings } = study;
const three = (x) => x.toFixed(3).replace('-', '−');
const thousands = (n) => n.toLocaleString('en');
const spread = ([mean, low, high]) => `${three(mean)} (${three(low)} to ${three(high)})`;
const range = (values) => `${three(Math.min(...values))} to ${three(Math.max(...values))}`;
const title = ({ regime, epsilon }) => `${regime === 'mdp' ? 'States seen' : 'States hidden'}, ${epsilon === 1 ? 'treatments drawn at random' : `${epsilon * 100} % of treatments drawn at random`}`;
const groups = Object.values(Object.groupBy?.(results, title) ?? results.reduce((all, one) => ({ ...all, [title(one)]: [...(all[title(one)] ?? []), one] }), {}));
const NAMES = {
  behaviour: 'the clinician', oracle: 'oracle', imitation: 'imitation', 'nominal-mdp': 'MDP, nominal', 'robust-mdp-posterior': 'MDP, posterior cloud', 'robust-mdp-bootstrap': 'MDP, bootstrap cloud',
  'robust-mdp-l1': 'MDP, L1 sets', 'robust-mdp-interval': 'MDP, interval sets', 'nominal-pomdp': 'POMDP, nominal', 'robust-pomdp-posterior': 'POMDP, posterior cloud',
};

// ── The figure ────────────────────────────────────────────────────────────────────────────────────────────────────────

const LINES = { behaviour: ['var(--muted)', '4 3'], imitation: ['var(--ink)', '4 3'], 'nominal-mdp': ['var(--h1-0)', ''], 'robust-mdp-posterior': ['var(--h2-0)', ''], 'robust-mdp-interval': ['var(--h3-0)', ''], 'nominal-pomdp': ['var(--h4-0)', ''], 'robust-pomdp-posterior': ['var(--h5-0)', ''] };
const colour = (name) => LINES[name][0];
async function panel(group) {
  const rows = group.flatMap(({ patients, policies }) => Object.keys(LINES).filter((name) => policies[name]).map((name) => {
    const [value, low, high] = policies[name].regret;
    return { name, patients, value, low, high };
  }));
  const names = [...new Set(rows.map(({ name }) => name))];
  const stroke = { field: 'name', type: 'nominal', legend: null, scale: { domain: names, range: names.map(colour) } };
  const spec = {
    width: 350, height: 240, autosize: { type: 'fit', contains: 'padding' }, data: { values: rows },
    encoding: {
      x: { field: 'patients', type: 'quantitative', scale: { type: 'log', domain: [150, 27_000] }, axis: { title: 'Patients', values: [200, 2000, 20_000], grid: false } },
      color: stroke,
    },
    layer: [
      { mark: { type: 'line' }, encoding: { y: { field: 'value', type: 'quantitative', scale: { type: 'log', domain: [0.002, 0.8], clamp: true }, axis: { title: 'Regret, quality-adjusted months', values: [0.003, 0.01, 0.03, 0.1, 0.3], format: '~g' } }, strokeDash: { field: 'name', type: 'nominal', legend: null, scale: { domain: names, range: names.map((name) => (LINES[name][1] ? [4, 3] : [1, 0])) } } } },
      { mark: { type: 'rule', strokeWidth: 1.5 }, encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } } },
      { mark: { type: 'point', filled: true, size: 30 }, encoding: { y: { field: 'value', type: 'quantitative' } } },
    ],
  };
  return { title: title(group[0]), svg: await draw(spec, `${title(group[0])}. ${rows.map(({ name, patients, value }) => `${NAMES[name]}, ${patients} patients: ${three(value)}`).join('; ')}.`) };
}
const keys = Object.entries(LINES).map(([name, [, dash]]) => ({ label: NAMES[name], drawing: html`<path d="M1 7H27" stroke="${colour(name)}" stroke-width="2" stroke-dasharray="${dash}" fill="none"/>` }));
const panels = await Promise.all(groups.map(panel));
const figure = sheetSvg({
  name: 'logs-regret', title: 'Regret of policies learned from records', note: 'Against the true oracle; bars are 95% bootstrap intervals over tasks. All panels share one scale; both axes are logarithmic.',
  rows: [{ keys, figures: panels.slice(0, 2) }, { figures: panels.slice(2) }],
});

// ── The tables ────────────────────────────────────────────────────────────────────────────────────────────────────────

const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const policyTable = (group) => table(
  ['patients', 'policy', 'earns', 'regret', 'worst', 'over nominal', 'better, worse', 'promised above truth'],
  group.flatMap(({ patients, policies }) => Object.entries(policies).map(([name, { value, regret, worstRegret, overNominal, better, worse, promisesAboveTruth }]) => [
    thousands(patients), NAMES[name], spread(value), name === 'oracle' ? '' : spread(regret), name === 'oracle' ? '' : three(worstRegret), overNominal ? spread(overNominal) : '', overNominal ? `${better}, ${worse}` : '', promisesAboveTruth ? spread(promisesAboveTruth) : '',
  ])),
);
const ESTIMATORS = Object.keys(results[0].estimators.oracle).filter((name) => name !== 'on-policy');
const cell = ({ asked, given, covered }) => (given === 0 ? `– of 0 of ${asked}` : `${Math.round((100 * covered) / given)} % of ${given} of ${asked}`);
const estimatorTable = (group) => table(
  ['patients', 'policies', ...ESTIMATORS.map((name) => `\`${name}\``)],
  group.flatMap(({ patients, estimators }) => [['learned', 'what was learned'], ['oracle', 'the oracle']].map(([which, label]) => [thousands(patients), label, ...ESTIMATORS.map((name) => cell(estimators[which][name]))])),
);

// ── What it comes to ──────────────────────────────────────────────────────────────────────────────────────────────────

const guided = results.filter(({ epsilon }) => epsilon < 1);
const blind = results.filter(({ epsilon }) => epsilon === 1);
const regrets = (some, name) => range(some.filter(({ policies }) => policies[name]).map(({ policies }) => policies[name].regret[0]));
const promised = (some, name) => range(some.filter(({ policies }) => policies[name]).map(({ policies }) => policies[name].promisesAboveTruth[0]));
const total = (which, group, names) => results.filter(group).flatMap(({ estimators }) => names.map((name) => estimators[which][name])).reduce((sum, { asked, given, covered }) => ({ asked: sum.asked + asked, given: sum.given + given, covered: sum.covered + covered }), { asked: 0, given: 0, covered: 0 });
const RATIOS = ['is', 'wis', 'pdis', 'wpdis', 'dr', 'wdr'];
const said = ({ asked, given, covered }) => `${thousands(given)} of ${thousands(asked)} are given and ${given ? Math.round((100 * covered) / given) : 0} % of these hold the truth`;
const largestError = Math.max(...results.flatMap(({ policies }) => Object.values(policies).map((policy) => policy.largestError)));
const cover = (which, group, name) => said(total(which, group, [name]));
const hidden = ({ regime }) => regime === 'pomdp';
const seen = ({ regime }) => regime === 'mdp';

const page = `# logs

From a hospital's records alone, with the truth put away: what does a fitted model's policy earn, when does it pay to be robust, and do off-policy intervals hold the truth?

**Robustness pays where the clinician mostly did the right thing and the rest is rare in the records; it costs where treatments were drawn at random.** With ${guided[0].epsilon * 100} % of
treatments drawn at random, interval sets around an MDP leave a mean regret of ${regrets(guided, 'robust-mdp-interval')} quality-adjusted months (over settings and sizes), the posterior cloud
${regrets(guided, 'robust-mdp-posterior')}, the likeliest MDP ${regrets(guided, 'nominal-mdp')}, the clinician ${regrets(guided, 'behaviour')}, and who imitates the clinician without the slips
${regrets(guided, 'imitation')}. With all treatments drawn at random sets leave ${regrets(blind, 'robust-mdp-interval')}, the posterior cloud ${regrets(blind, 'robust-mdp-posterior')}, the likeliest MDP ${regrets(blind, 'nominal-mdp')}:
the cloud is worse with 200 patients and about level with 20,000, interval sets are behind in the mean at every size, least with 20,000. A set is wide where little was tried, so who is robust stays with what was often done: good where that was good, and lost where it was nothing in particular.

**No robustness mends a model that is too small.** POMDPs of 2 to 4 hidden states, for a hospital of 11, leave ${regrets(results, 'nominal-pomdp')}, and with a posterior cloud ${regrets(results, 'robust-pomdp-posterior')}: more records do not help much, and
where the clinician was good, the clinician is better (${regrets(guided.filter(hidden), 'behaviour')}).

**What a model promises is not what its policy earns.** The likeliest MDP promises ${promised(results, 'nominal-mdp')} more than its policy earns, the POMDP ${promised(results, 'nominal-pomdp')}; the posterior cloud of MDPs ${promised(results, 'robust-mdp-posterior')}; interval sets ${promised(results, 'robust-mdp-interval')}.

**Off-policy intervals**, nominally 95 %. Of policies that were learned, those with ratios (${RATIOS.map((name) => `\`${name}\``).join(', ')}): ${said(total('learned', () => true, RATIOS))}; all others are refused, since
twelve decisions that the clinician would not have made leave no weight. \`fqe\` where states are seen: ${cover('learned', seen, 'fqe')}; where they are hidden, which it assumes they are not: ${cover('learned', hidden, 'fqe')}. Of the
oracle's policy, which is mostly what was done, with ratios: ${said(total('oracle', () => true, RATIOS))}.

${Math.max(...results.map(({ repetitions }) => repetitions))} repetitions a setting. \`${study.command}\`, ${study.date}, tiresias ${study.version}, ${study.machine.cores} × ${study.machine.cpu}, shared with other work.
Written by \`node bench/logs-page.mjs\` from [bench/results/logs-study.json](../../bench/results/logs-study.json).

![Regret of policies learned from records; the tables below hold the numbers](figures/logs-regret.svg)

Against the true oracle; bars are 95% bootstrap intervals over tasks. All panels share one scale; both axes are logarithmic.

## How it was done

- **The hospital** is the [clinical family](../families.md#clinical), split \`${settings.split}\`, repetition r being task r: 12 months, 4 treatments, 11 states, seen or behind two tests that err. Where states are hidden the clinician's beliefs are the true model's, so what
  was done tells of what was not written down: who counts symbols as states is confounded, and no number of patients changes that.
- **The clinician** does what the task's oracle would, but with the stated probability draws a treatment at random. Propensities are logged.
- **The records** are a CSV file (patient, month, reading, treatment, quality, propensity); before the first treatment of a POMDP nothing is read: \`whenMissing: "nothing"\`, and \`"symbol"\` for MDPs. The model is put away. Policies are of one half of the patients, estimates of the other.
- **MDPs** take a reading for the state. Around them are clouds of ${settings.models} models (posterior draws, refits) or sets of 95 % coverage, all solved for the worst (α = 1, nature choosing anew at each step). The sets' guarantee is for states that are seen.
- **POMDPs**: expectation–maximisation from ${settings.starts} starts; 2, 3 or 4 states, by the likelihood of a fifth of at most ${thousands(settings.choosing)} patients. The cloud of ${settings.models} is solved in its static form: one model is true to the end. What acts is the best plan that draws nothing.
- **Imitation** does after each reading what was done most often then.
- **The truth** is simulated: ${thousands(settings.episodes)} episodes a policy, the same luck for all. What is averaged is the value of who sees all states, less what each decision loses to it, which has the mean of the returns; the largest standard error is ${three(largestError)}.
- **Chosen on the split \`validation\`**: that rewards are not used to tell hidden states (on four of its tasks they made no difference at 200 patients, and things worse on three of four at 2,000). The rest was not tuned.
- Intervals are BCa over tasks. "Over nominal" is the paired difference in true value to the likeliest model of the same kind, and "better, worse" the repetitions on either side.

${groups.map((group) => `## ${title(group[0])}

${policyTable(group)}

Share of intervals that hold the truth, of those given, of those asked for:

${estimatorTable(group)}`).join('\n\n')}

## What it does not show

- One family, whose clinician is the oracle or a die. A clinician who is wrong in a system was not played; who is robust would follow that, too.
- \`fqe\` was left at its default, one fit for all stages, and policies of a finite horizon change with the stage: its coverage falls with more patients even for the oracle's policy where states are seen, so that this is a bias and not chance. That \`staged\` would mend it was not tried.
- Weighted per-decision estimates (\`wpdis\`) of learned policies are given and too narrow: a hundredth of the patients as effective number lets through what should be read with care.
- Ratios are of twelve decisions, also those after an event, when nothing is decided any more.
- A plan off its own path (a treatment that it would not have given) is followed by what was seen alone. That concerns \`fqe\` and the fitted part of \`dr\` and \`wdr\`, not the weights.
- Twenty tasks: coverages of the oracle's policy have a standard error of about 5 %. Policies learned from the same records are not independent.
- Robust POMDPs in the dynamic form were not played: a decision of theirs took about a millisecond, too long for ${thousands(settings.episodes)} episodes a policy on this machine.
`;
writeFileSync(new URL('../docs/findings/figures/logs-regret.svg', import.meta.url), figure);
writeFileSync(new URL('../docs/findings/logs.md', import.meta.url), page);
