// Writes docs/findings/public-logs.md from bench/results/public-logs.json: `node bench/public-logs-page.mjs`.
import { readFileSync, writeFileSync } from 'node:fs';

const study = JSON.parse(readFileSync(new URL('results/public-logs.json', import.meta.url), 'utf8'));
const { results, settings, worlds, bandit } = study;
const three = (x) => x.toFixed(3).replace('-', '−');
const four = (x) => x.toFixed(4).replace('-', '−');
const thousands = (n) => n.toLocaleString('en');
const spread = ([mean, low, high]) => (low === mean && high === mean ? three(mean) : `${three(mean)} (${three(low)} to ${three(high)})`);
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const NAMES = {
  behaviour: 'who acted', best: 'the best policy', towards: 'near to who acted', imitation: 'imitation', nominal: 'nominal', 'nominal-mean': 'nominal, mean where unseen', posterior: 'posterior cloud', bootstrap: 'bootstrap cloud', l1: 'L1 sets', interval: 'interval sets',
};
const ORDER = Object.keys(NAMES);
const WORLDS = { 'frozen-lake': 'Frozen lake', 'cliff-walking': 'Cliff walking on slippery ground', 'icu-sepsis': 'ICU-Sepsis' };
const actor = ({ expert, epsilon }) => (expert ? 'the clinicians acted' : epsilon === 1 ? 'any action at random' : `${epsilon * 100} % of the actions at random`);
const title = ({ world, behaviour }) => `${WORLDS[world]}, ${actor(behaviour)}`;
const groups = [...new Set(results.map(title))].map((name) => results.filter((one) => title(one) === name));

const policyTable = (group) => table(
  ['episodes', 'policy', 'earns', 'worst', 'better than who acted', 'over nominal', 'better, worse', 'promised above truth', 'promise kept'],
  group.flatMap(({ episodes, repetitions, policies }) => ORDER.filter((name) => policies[name]).map((name) => {
    const { value, worst, aboveBehaviour, overNominal, better, worse, promisesAboveTruth, kept } = policies[name];
    const fixed = ['behaviour', 'best', 'towards'].includes(name);
    return [thousands(episodes), NAMES[name], spread(value), fixed ? '' : three(worst), fixed ? '' : `${aboveBehaviour} of ${repetitions}`, overNominal ? spread(overNominal) : '', overNominal ? `${better}, ${worse}` : '', promisesAboveTruth ? spread(promisesAboveTruth) : '', promisesAboveTruth ? `${kept} of ${repetitions}` : ''];
  })),
);
const ESTIMATORS = Object.keys(results[0].estimators.best.logged);
const share = ({ asked, given, covered }) => (given === 0 ? `0 of ${asked}` : `${Math.round((100 * covered) / given)} % of ${given} of ${asked}`);
const WHOSE = { towards: 'near to who acted', best: 'the best policy', learned: 'what was learned' };
const estimatorTable = (group) => table(
  ['episodes', 'policies', 'propensities', ...ESTIMATORS.map((name) => `\`${name}\``)],
  group.flatMap(({ episodes, estimators }) => Object.entries(WHOSE).flatMap(([which, label]) => [['logged', 'as recorded'], ['counted', 'counted']].filter(([how]) => estimators[which][how]).map(([how, said]) => [thousands(episodes), label, said, ...ESTIMATORS.map((name) => share(estimators[which][how][name]))]))),
);

// ── What it comes to ──────────────────────────────────────────────────────────────────────────────────────────────────

const of = (world, epsilon, which) => results.filter((one) => one.world === world && one.behaviour.epsilon === epsilon).at(which);
const earned = ({ policies }, name) => spread(policies[name].value);
const total = (some, which, how) => some.flatMap(({ estimators }) => ESTIMATORS.map((name) => estimators[which][how]?.[name])).filter(Boolean)
  .reduce((sum, { asked, given, covered }) => ({ asked: sum.asked + asked, given: sum.given + given, covered: sum.covered + covered }), { asked: 0, given: 0, covered: 0 });
const said = ({ asked, given, covered }) => `${thousands(given)} of ${thousands(asked)} are given${given === 0 ? '' : `, and ${Math.round((100 * covered) / given)} % of these hold the truth`}`;
const solved = results.filter(({ policies }) => policies.nominal);
const keptOf = (name) => `${solved.reduce((sum, { policies }) => sum + policies[name].kept, 0)} of ${solved.reduce((sum, { repetitions }) => sum + repetitions, 0)}`;
const played = results.flatMap((one) => (one.played ? [one.played] : [])).reduce((sum, { policies, within, largest }) => ({ policies: sum.policies + policies, within: sum.within + within, largest: Math.max(sum.largest, largest) }), { policies: 0, within: 0, largest: 0 });
const [cliffFew, cliffMany] = [of('cliff-walking', 0.3, 0), of('cliff-walking', 0.3, -1)];
const [lakeFew, lakeMany] = [of('frozen-lake', 0.3, 0), of('frozen-lake', 0.3, -1)];
const randomMany = of('frozen-lake', 1, -1);
const best = (world) => three(worlds[world].best);
const sepsis = results.filter(({ world }) => world === 'icu-sepsis').at(-1);

const directions = bandit.flatMap(({ campaign, thompsonFromRandom, randomFromThompson }) => [{ campaign, policy: 'Thompson sampling', log: 'random', ...thompsonFromRandom }, { campaign, policy: 'random', log: 'Thompson sampling', ...randomFromThompson }]);
const held = directions.flatMap(({ own, estimates }) => Object.entries(estimates).filter(([name, value]) => name !== 'on-policy' && typeof value !== 'string').map(([, [, low, high]]) => low <= own[0] && own[0] <= high));
const askedOfLogs = directions.length * (Object.keys(directions[0].estimates).length - 1);
const one = (value) => (typeof value === 'string' ? 'refused' : `${four(value[0])} (${four(value[1])} to ${four(value[2])})`);
const banditTable = table(
  ['campaign', 'policy', 'judged from the log of', 'in its own log', ...['is', 'wis', 'fqe', 'dr', 'wdr'].map((name) => `\`${name}\``)],
  directions.map(({ campaign, policy, log, own, estimates }) => [campaign, policy, log, one(own), ...['is', 'wis', 'fqe', 'dr', 'wdr'].map((name) => one(estimates[name]))]),
);
const chosen = table(
  ['campaign', 'clicks in the log', 'promised', '`dr` from the other half of its log', '`dr` from the log of random items'],
  bandit.map(({ campaign, clicks, policies: { nominal } }) => [campaign, clicks.thompson, four(nominal.promises), one(nominal.ownLog.dr), one(nominal.otherLog.dr)]),
);

const repetitions = [...new Set(results.map((each) => each.repetitions))].sort((a, b) => a - b);
const page = `# public-logs

The second proof, where neither the world nor the records are ours: environments of Gymnasium recorded in Minari's files, and logs of a fashion shop. What does a fitted model's policy earn, when does it pay to be robust, and do off-policy intervals hold the truth?

**Robustness pays where a mistake is dear and the records show what is safe; it costs where anything was tried and little was seen.** On the slippery cliff, with ${cliffFew.episodes} episodes of somebody who slips, the likeliest model's policy earns ${earned(cliffFew, 'nominal')},
the posterior cloud's ${earned(cliffFew, 'posterior')} and that of interval sets ${earned(cliffFew, 'interval')}, where the best is ${best('cliff-walking')}; with ${cliffMany.episodes} it is ${earned(cliffMany, 'nominal')}, ${earned(cliffMany, 'posterior')} and ${earned(cliffMany, 'interval')}.
On the frozen lake with ${lakeFew.episodes} episodes the likeliest model's policy reaches the goal with a probability of ${earned(lakeFew, 'nominal')}, the cloud's of ${earned(lakeFew, 'posterior')}, and that of interval sets of ${earned(lakeFew, 'interval')}: in a set that wide
nothing is worth anything, and a policy is as good as another. With ${thousands(lakeMany.episodes)} it is ${earned(lakeMany, 'nominal')}, ${earned(lakeMany, 'posterior')} and ${earned(lakeMany, 'interval')} (the best: ${best('frozen-lake')}). Where all actions were drawn at random, with ${thousands(randomMany.episodes)} episodes, ${earned(randomMany, 'nominal')}, ${earned(randomMany, 'posterior')} and
${earned(randomMany, 'interval')}. Whoever imitates what was done most often has nearly the best policy where who acted mostly does the best (${earned(lakeFew, 'imitation')} and ${earned(cliffFew, 'imitation')} with the fewest records), and nothing elsewhere (${earned(randomMany, 'imitation')}).

**What a nominal model promises is rarely kept, what a robust one promises mostly is.** Of the likeliest model's promises ${keptOf('nominal')} were kept, of the posterior cloud's ${keptOf('posterior')}, of the bootstrap cloud's ${keptOf('bootstrap')}, of the L1 sets' ${keptOf('l1')}, of the interval sets' ${keptOf('interval')}.
The sets promise next to nothing with so few records.

**Off-policy estimates of a learned policy are nearly all refused; of a policy near to who acted, intervals hold where success is not rare.** Intervals are nominally 95 %. Of policies that were learned, and of imitation, ${said(total(results, 'learned', 'logged'))}; of the best policy, ${said(total(results, 'best', 'logged'))}: some tens of decisions
that nobody took in a row leave no weight. Of a policy a fifth of the way from who acted to the best one: ${groups.map((group) => `${title(group[0])}: ${said(total(group, 'towards', 'logged'))}`).join('; ')}. Where the goal is reached once in seventy episodes, records often hold no success at all, and the interval from 0 to 0
that is then given is wrong and not refused. With propensities counted from the records instead of recorded: ${said(total(results, 'towards', 'counted'))}.

**A mean of weights far from 1 goes unrefused.** In ICU-Sepsis, of estimates of the best policy and of imitation that are not refused, these hold the truth: ${ESTIMATORS.map((name) => [name, sepsis.estimators.best.logged[name], sepsis.estimators.learned.logged[name]]).filter(([, a, b]) => a.given + b.given > 0).map(([name, a, b]) => `\`${name}\` ${a.covered + b.covered} of ${a.given + b.given}`).join(', ')}.
Of the best policy \`is\` is ${three(Math.abs(sepsis.estimators.best.logged.is.error))} too low on average, of ${best('icu-sepsis')}: most of the weight, whose mean is 1 in expectation, is not in the records. The command prints that mean; the rules by which estimates are refused do not look at it.

**On real logs** (the Open Bandit Dataset) one policy's log was asked about the other policy, whose own log says what came of it: ${held.length} of ${askedOfLogs} estimates are given, and ${held.filter(Boolean).length} of these intervals hold the mean of the other log, which is itself uncertain.

${repetitions.length === 1 ? repetitions[0] : `${repetitions[0]} to ${repetitions.at(-1)}`} repetitions a setting. \`${study.command}\`, ${study.date}, tiresias ${study.version}, Gymnasium ${settings.versions.gymnasium}, Minari ${settings.versions.minari}, icu-sepsis ${settings.versions.icuSepsis}, obp ${settings.versions.obp}, ${study.machine.cores} × ${study.machine.cpu}, shared with other work.
Written by \`node bench/public-logs-page.mjs\` from [bench/results/public-logs.json](../../bench/results/public-logs.json).

## How it was done

- **The worlds** publish their tables, so that the truth is known, and it is found by Python from these (bench/peers/gymnasium_worlds.py), not by us. ${Object.entries(worlds).map(([name, { environment, states, actions, horizon, best: value, oursMinusTheirs }]) => `\`${environment}\` (${WORLDS[name].toLowerCase().replace('icu', 'ICU').replace('-sepsis', '-Sepsis')}): ${states} states, ${actions} actions, at most ${horizon} decisions; its best policy earns ${three(value)}, and our solver, given the same table, differs by ${Math.abs(oursMinusTheirs) < 1e-9 ? 'less than 1e-9' : oursMinusTheirs}`).join('. ')}.
- **ICU-Sepsis** (Choudhary et al. 2024) was estimated from the records of patients with sepsis in MIMIC-III. The package ships its table and the policy of the clinicians, who act here. Who survives earns 1.
- **Who acted** elsewhere does the best first action, but with the stated probability any action at random. How likely each action was is in the infos of Minari's files.
- **The chain** is that of [your-own-data.md](../your-own-data.md): \`importMinari\`, half of the episodes set aside, \`fitLogs\` as an MDP whose horizon is the environment's limit (the frozen lake's own; \`max_episode_steps\` was set for the others) and the least reward where nothing was seen ("mean where unseen" leaves that at its default), \`solve\`, \`offPolicy\` on the other half. Clouds have ${settings.models} models, sets a coverage of 95 %, α = 1. Nothing was tuned.
- **Smaller numbers of episodes** are the first ones of the same file. Half of the stated number is fitted to.
- **Played in the environment itself**, ${thousands(settings.played)} episodes each, with the largest number of records: ${played.within} of ${played.policies} returns lie within 1.96 standard errors of what the table says, the farthest ${played.largest.toFixed(1)} (on the cliff, where a rare fall costs 100 and the standard error of a sample without falls is too small).
- **Imitation** does in each state what was done most often. A state that is in no record gets the action that was done most often of all.
- Intervals are BCa over repetitions. "Over nominal" is the paired difference in true value, "promise kept" the repetitions in which the policy earned at least what its model promised.

${groups.map((group) => `## ${title(group[0])}

${policyTable(group)}

Share of intervals that hold the truth, of those given, of those asked for:

${estimatorTable(group)}`).join('\n\n')}

## The Open Bandit Dataset

A fashion shop showed items at three positions, chosen at random or by Thompson sampling, and recorded clicks and propensities (Saito et al. 2020). The package obp ships 10,000 records of each of six logs. These are CSV files, read as they are. Clicks an item shown:

${banditTable}

The item that a model of half of Thompson sampling's log likes best, at each position:

${chosen}

## What it does not show

- Gymnasium's worlds are made up, too; what is real is ICU-Sepsis' table and the shop's logs. All states are seen; no world with hidden states was played.
- In ICU-Sepsis no model was fitted: the prior is spread over all states that some transition led to, in each of thousands of rows, which makes a model of hundreds of megabytes, slow to write and read as text. A prior for large worlds is missing.
- Thompson sampling's propensities are those that the log states, which are averages over its learning.
- Estimates were asked with a set of regressions for each stage, as the command line does for a horizon. Of worlds with a hundred stages and few records these are refused.
- Half of an experiment's episodes is little here: 15 to 500.
`;
writeFileSync(new URL('../docs/findings/public-logs.md', import.meta.url), page);
