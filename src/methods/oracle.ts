// The best that can be done by who knows the task: the yardstick of every gap.
import { EVERYWHERE, NO_OPTIONS, nothing, stepping, type Method } from './method.js';

export const oracle: Method = {
  name: 'oracle', label: 'Oracle', group: 'reference', regimes: EVERYWHERE, needsSupport: false, knows: 'task', options: NO_OPTIONS,
  summary: 'Knows the task and acts by its solved policy, whose proven bounds are in the results.',
  source: 'This project’s solvers; for a cloud the α-maxmin criterion of Saghafian, “Ambiguous partially observable Markov decision processes”, J. Econ. Theory 2018.',
  needs: nothing,
  identity: async () => ({}),
  start: async () => stepping((episodes) => episodes.oracleActions()),
};
