// What every number means, in words and with its source.

export interface Term {
  term: string;
  meaning: string;
  source?: string;
}

export const PAPER = {
  title: 'Zhang, Aghaei, Saghafian: “Large Language Models for Sequential Decision-Making: Improving In-Context Learning via Supervised Fine-Tuning”',
  label: 'arXiv 2605.09009',
  url: 'https://arxiv.org/abs/2605.09009',
};

export const FOOTNOTE = 'This project implements ideas from that paper. Task family, horizons, model, prompts and training settings here are this '
  + 'project’s own, so no figure on this page reproduces a figure of the paper or can be compared with one directly.';

export const GLOSSARY: readonly Term[] = [
  {
    term: 'Absolute gap',
    meaning: 'V* − V^π: the optimal expected return of an episode less the expected return of the method, averaged over the test tasks. 0 is optimal; lower is better. For an ambiguous POMDP, V is the α-maxmin expected utility, nature choosing the model each period.',
    source: 'the optimality gap of arXiv 2605.09009',
  },
  {
    term: 'Relative gap',
    meaning: '(V* − V^π) / |V*|, pooled: the mean absolute gap over the mean size of the optimal return.',
    source: 'the optimality gap of arXiv 2605.09009',
  },
  {
    term: 'Normalised gap',
    meaning: '(V* − V^π) / (V* − V^random), pooled: the share of the way from optimal (0) to uniformly random actions (1). Above 1 is worse than random.',
    source: 'this project’s own scale, common in reinforcement learning benchmarks',
  },
  {
    term: 'Value',
    meaning: 'V^π: the expected sum of rewards of an episode. Where the gap is sampled it is V* less the estimated gap, so that methods compare without the noise of returns.',
  },
  {
    term: 'Agreement',
    meaning: 'The share of decisions inside the ε-optimal action set: all actions whose value comes within ε of the best, so that choosing among ties is not counted as an error.',
  },
  {
    term: 'Regret by decision step',
    meaning: 'V*(b) − Q*(b, a): what the action taken at a step loses if all later actions were optimal, averaged over tasks and episodes.',
  },
  {
    term: 'Exact or sampled',
    meaning: 'Exact: the expected return was computed from the model of the task. Sampled: it was estimated from the counted episodes, with common random numbers across methods; a sampled gap may fall below 0 by chance.',
  },
  {
    term: '95% interval',
    meaning: 'Bias-corrected and accelerated (BCa) bootstrap over tasks.',
    source: 'Efron, JASA 82 (1987); DiCiccio and Efron, Statistical Science 11 (1996)',
  },
  {
    term: 'Difference',
    meaning: 'Of the normalised (or absolute) gaps of two methods, the first less the second, pooled over the tasks that both have played. Its interval resamples tasks with both methods’ results together, so that what is common to both cancels.',
  },
  {
    term: 'p, and p (Holm)',
    meaning: 'p is the least level at which the BCa interval of a difference leaves out 0, and so below 0.05 just where the 95% interval does; it is never below one over the number of resamples. Among twenty true hypotheses one is expected below 0.05; Holm’s correction bounds by 5% the chance that any comparison of a regime is called told apart wrongly. With few tasks (below some ten) both intervals and p-values are too sure.',
    source: 'Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 15; Holm, Scandinavian Journal of Statistics 6 (1979)',
  },
  {
    term: 'Spread of seeds',
    meaning: 'Of several trainings of one method that differ in their seeds only: the mean, the least and the greatest, and the standard deviation (sd) between seeds, which no interval over tasks covers.',
  },
  {
    term: 'Families of methods',
    meaning: 'References know the task, its family or nothing at all, and are no rivals. Language models read the support as text. Networks are trained from scratch on the same examples. The others learn from the support of the task alone: by imitating it, by a model of the world, or by values of actions.',
  },
  {
    term: 'Oracle certificate',
    meaning: 'Lower and upper bounds on V* that the solver proves; the oracle’s true optimum lies between them. The gap uses V* as printed, so it is known up to the width.',
  },
  {
    term: 'Worst and average over the cloud',
    meaning: 'An ambiguous POMDP holds several models of the world and the agent does not know which one is true. The plot fixes nature at each model in turn; “worst” is the least mean return of a task over the models, averaged over tasks (with few episodes a task the least of several noisy means lies below the true worst), and “average” the mean over the models.',
    source: 'Saghafian, Journal of Economic Theory (2018), for the ambiguous POMDP',
  },
  {
    term: 'Gap to static',
    meaning: 'Where labels are of the static form (one model of the cloud is true to the end): the proven upper bound on what any policy earns for certain, less what the method earns under the model that is worst for it. With few episodes a task the worst of several noisy means lies below the true worst, so that the gap is overstated.',
    source: 'docs/ambiguity.md',
  },
  {
    term: 'Regret bound',
    meaning: 'An upper bound on V*(b) − Q*(b, label) for the action that a training example is labelled with, in the model of the oracle that labels. 0 means the label is proven optimal there. Of labels that are what was done it says what was given away, in the model.',
  },
];
