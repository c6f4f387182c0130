// A family of one's own as a module: machines that wear out, each with numbers of its own. `tiresias solve --family machines.mjs --split test --tasks 20`;
// in an experiment `"family": { "module": "machines.mjs" }`. See docs/your-own-family.md.
const round = (x) => Math.round(x * 100) / 100;

export default {
  splits: { train: 80, test: 20 },

  /** A machine is good, worn or broken; one looks at what it makes. It runs, is inspected, or is repaired. */
  draw({ split, index, random, options: { wears = 0.3 } }) {
    const between = (low, high) => round(low + (high - low) * random());
    const [wear, failure, miss] = [between(0.05, wears), between(0.1, 0.5), between(0.05, 0.3)];
    const repair = Math.round(2 + 4 * random());
    const runs = [[round(1 - wear), wear, 0], [0, round(1 - failure), failure], [0, 0, 1]];
    const stays = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    const blind = [[1, 0], [1, 0], [0, 1]];
    const sight = [[round(1 - miss), miss], [miss, round(1 - miss)], [0, 1]];
    return {
      schema: 'tiresias.model/1', name: `machine ${split} ${index}`, states: ['good', 'worn', 'broken'], actions: ['run', 'inspect', 'repair'], observations: ['fine', 'flawed'],
      horizon: 12, start: [1, 0, 0], reward: { state_action: [[2, 1, 0], [-0.5, -0.5, -0.5], [-repair, -repair, -repair]] },
      dynamics: [{ transition: [runs, stays, [[1, 0, 0], [1, 0, 0], [1, 0, 0]]], observation: [blind, sight, blind] }],
    };
  },
};
