// Writes what a new method, solver or family needs, with a test that fails until it does what it is for: `npm run new -- method NAME`.
// `--root FOLDER` writes into another checkout.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals: [kind, name, ...others] } = parseArgs({ allowPositionals: true, options: { root: { type: 'string', default: fileURLToPath(new URL('..', import.meta.url)) } } });

function fail(message) {
  console.error(`${message}\nusage: npm run new -- method|solver|family NAME`);
  process.exit(2);
}

if (!['method', 'solver', 'family'].includes(kind) || name === undefined || others.length > 0) fail('a kind and a name are wanted');
if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) fail(`"${name}" is no name: small letters and digits, words joined by "-"`);

const words = name.split('-');
const capital = (word) => word[0].toUpperCase() + word.slice(1);
const [snake, Pascal] = [words.join('_'), words.map(capital).join('')];
const camel = Pascal[0].toLowerCase() + Pascal.slice(1);
const label = capital(words.join(' '));

/** A file that there is not yet. */
const file = (path, text) => ({ path, change: (old) => (old === undefined ? text : fail(`${path} is there already`)) });

/** A file that there is, with `text` put in behind the last match of a pattern. */
const line = (path, ...edits) => ({
  path,
  change: (old) => edits.reduce((all, [pattern, text]) => {
    const last = [...all.matchAll(pattern)].at(-1);
    if (!last) fail(`${path} is not as expected: ${pattern} is missing`);
    const at = last.index + last[0].length;
    return all.slice(0, at) + text + all.slice(at);
  }, old),
});

const KINDS = {
  method: () => [
    file(`src/methods/${name}.ts`, `// ${label}: what it does, in one sentence.
import { EVERYWHERE, NO_OPTIONS, nothing, stepping, type Method } from './method.js';

export const ${camel}: Method = {
  name: '${name}', label: '${label}', group: 'imitation', regimes: EVERYWHERE, needsSupport: false, knows: 'nothing', options: NO_OPTIONS,
  summary: 'What it does, in one sentence.',
  source: 'Where it comes from.',
  needs: nothing,
  identity: async () => ({}),
  // One action a row; \`episodes\` says what is seen and what was earned, \`episodes.support(row)\` the examples.
  start: async () => stepping((episodes) => new Uint8Array(episodes.rows)),
};
`),
    line('src/methods/index.ts', [/^import \{ \w+ \} from '\.\/[\w-]+\.js';\n/gm, `import { ${camel} } from './${name}.js';\n`], [/\.\.\.agents\(\)/g, `, ${camel}`]),
    file(`test/${name}.test.ts`, `import { join } from 'node:path';
import { expect, it } from 'vitest';
import { evaluateRegime, parseExperiment } from '../src/index.js';
import { scratch } from './support.js';

it('${name} earns more than chance', async () => {
  const experiment = parseExperiment({ schema: 'tiresias.experiment/1', name: '${name}', horizon: 5, evaluation: { tasks: 20, resamples: 100, methods: ['random', '${name}'] } });
  const { methods } = await evaluateRegime(experiment, 'mdp', { folder: join(scratch(), 'rows'), threads: 1 });
  expect(methods['${name}']!.value).toBeGreaterThan(methods['random']!.value);
});
`),
  ],
  solver: () => [
    file(`crates/solve/src/${snake}.rs`, `//! ${label}: what it does, and its source.

use tiresias_model::Model;

use crate::{CornerBounds, Hook, Limits, Solution, SolveError, Solver};

/// What it treats, when it stops, and what it costs.
#[derive(Debug, Clone, Copy, Default)]
pub struct ${Pascal};

impl Solver for ${Pascal} {
    fn name(&self) -> &'static str {
        "${name}"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        // Bounds that are proven and loose, to begin with.
        let mut solution = CornerBounds.solve(model, limits, hook)?;
        solution.stats.solver = self.name();
        Ok(solution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::no_hook;

    #[test]
    fn closes_in_on_the_tiger() {
        let model = tiresias_model::classic::by_name("tiger").unwrap();
        let solution = ${Pascal}.solve(&model, &Limits::with_gap(0.5), &no_hook).unwrap();
        assert!(solution.lower <= 19.371_368 && 19.371_368 <= solution.upper, "{} {}", solution.lower, solution.upper);
        assert!(solution.gap() <= 0.5, "{} {}", solution.lower, solution.upper);
    }
}
`),
    line('crates/solve/src/lib.rs', [/^mod policy;\n/gm, `mod ${snake};\n`], [/^pub use policy::SolvedPolicy;\n/gm, `pub use ${snake}::${Pascal};\n`]),
    line('crates/solve/src/registry.rs', [/^use crate::\{\n {4}/gm, `${Pascal}, `], [/^ {4}\},\n(?=\];)/gm, `    Entry {
        name: "${name}",
        aliases: &[],
        treats: "POMDPs and APOMDPs",
        summary: "what it does, in one sentence",
        source: "where it comes from",
        build: || Box::new(${Pascal}),
    },
`]),
  ],
  family: () => [
    file(`crates/model/src/family/${snake}.rs`, `//! ${label}: what is decided in it, and its source.

use super::{Family, Regime, RewardGrid, Task, TaskRequest, check_request};
use crate::random::Key;
use crate::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

/// What its tasks are, with their numbers and where these come from.
#[derive(Debug, Clone, Copy)]
pub struct ${Pascal};

impl Family for ${Pascal} {
    fn name(&self) -> &'static str {
        "${name}"
    }

    fn description(&self) -> &'static str {
        "What it models, in one sentence."
    }

    fn splits(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("train", "the training distribution"),
            ("test", "the training distribution, other tasks"),
            ("validation", "the training distribution, other tasks again: to choose on"),
        ]
    }

    fn regimes(&self) -> &'static [Regime] {
        &[Regime::Mdp]
    }

    fn horizon(&self) -> usize {
        10
    }

    fn reward_grid(&self) -> RewardGrid {
        RewardGrid { low: 0.0, high: 1.0, step: 0.01 }
    }

    fn max_symbols(&self) -> usize {
        1
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        check_request(self, request)?;
        // The same request draws the same numbers.
        let mut draw = Key::named(request.seed, &["${name}", &request.split, "task"], &[request.index]).sequence();
        let rewards = vec![0.0, (100.0 * draw.uniform()).round() / 100.0];
        let parameters = vec![("reward".into(), rewards[1])];
        Ok(Task { model: model(request, rewards)?, true_model: 0, parameters, reward_noise: 0.0 })
    }
}

fn model(request: &TaskRequest, rewards: Vec<f64>) -> Result<Model, ModelError> {
    let mut transition = Kernel::new(1);
    rewards.iter().for_each(|_| transition.push_row([(0, 1.0)]));
    ModelBuilder {
        name: format!("${name}/{}/{}/{}", request.split, request.index, request.seed),
        states: Space::unnamed("states", 1)?,
        actions: Space::unnamed("actions", rewards.len())?,
        observations: None,
        reward: Reward::StateAction(rewards),
        start: vec![1.0],
        discount: 1.0,
        horizon: Some(request.horizon),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition, observation: None }],
        alpha: 1.0,
        ambiguity: None,
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_tasks_that_differ_in_more_than_a_number() {
        let request = |index| TaskRequest {
            split: "train".into(),
            index,
            seed: 0,
            regime: Regime::Mdp,
            horizon: 10,
            models: 1,
            alpha: 1.0,
        };
        let [one, other] = [0, 1].map(|index| ${Pascal}.task(&request(index)).unwrap());
        assert_ne!(one.parameters, other.parameters);
        assert_eq!(one.model, ${Pascal}.task(&request(0)).unwrap().model);
        // One state is no task yet.
        assert!(one.model.states().len() > 1);
    }
}
`),
    line('crates/model/src/family/mod.rs', [/^mod patient;\n/gm, `mod ${snake};\n`], [/^pub use linear::Linear;\n/gm, `pub use ${snake}::${Pascal};\n`], [/Box::new\(Bandit\)/g, `, Box::new(${Pascal})`]),
    line('native/src/family.rs', [/'energy' \|/g, ` '${name}' |`]),
  ],
};

const NEXT = {
  method: `npx vitest run test/${name}.test.ts\nnpm run build:ts, which writes it into docs/methods.md`,
  solver: `cargo test -p tiresias-solve ${snake}\ncargo fmt --all, then npm run build, which writes it into docs/solvers.md`,
  family: `cargo test -p tiresias-model ${snake}\ncargo fmt --all, then npm run build; test/api.test.ts and docs/families.md list the families, too`,
};

// All texts before any file: what cannot be done whole is not begun.
const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);
const written = KINDS[kind]().map(({ path, change }) => [path, change(read(join(values.root, path)))]);
for (const [path, text] of written) {
  writeFileSync(join(values.root, path), text);
  console.log(path);
}
console.log(`\nThe test fails until you have written it:\n${NEXT[kind]}`);
