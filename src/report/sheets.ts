// The figures of an experiment's report, drawn once for the page and for the files beside it.
import type { Results } from '../results.js';
import { cloudFigures, deploymentFigures, differenceFigures, gapFigures, regretFigures, trainingFigures, type FamilyFigures, type Figure } from './figures.js';
import { methodKeys } from './parts.js';
import type { Sheet, SheetRow } from './sheet.js';
import { clean } from './text.js';

/** All figures but for the traces of single episodes, which only the page has. */
export interface Drawn {
  gaps: Figure[];
  differences: Figure[];
  regret: FamilyFigures[];
  /** None where there is no deployment. */
  deployment: FamilyFigures[];
  clouds: Figure[];
  /** One list for each training. */
  training: Figure[][];
}

export async function drawn(results: Results): Promise<Drawn> {
  const [gaps, differences, regret, deployment, clouds, training] = await Promise.all([
    gapFigures(results), differenceFigures(results), regretFigures(results), deploymentFigures(results), cloudFigures(results), Promise.all(results.training.map(trainingFigures)),
  ]);
  return { gaps, differences, regret, deployment, clouds, training };
}

/** Families as the rows of a sheet; one without panels makes none. */
export const familyRows = (families: readonly FamilyFigures[]): SheetRow[] =>
  families.filter(({ figures }) => figures.length > 0).map(({ group, methods, figures }) => ({ heading: group.label, keys: methodKeys(methods), figures }));

/** As files hold them; a sheet without figures makes none. */
export function sheets(results: Results, { gaps, differences, regret, deployment, clouds, training }: Drawn): Sheet[] {
  return [
    { name: 'gap', title: 'Optimality gap', note: 'Points with 95% bootstrap intervals over tasks; left is better.', rows: [{ figures: gaps }] },
    { name: 'differences', title: 'Differences of the normalised gap', note: 'Paired, with 95% intervals; full where told apart (Holm-corrected p below 0.05), a ring where not.', rows: [{ figures: differences }] },
    { name: 'regret', title: 'Regret by decision', rows: familyRows(regret) },
    { name: 'deployment', title: 'Regret by episode of the deployment', rows: familyRows(deployment) },
    { name: 'cloud', title: 'Under every model of the cloud', note: 'Bars: nature held at one model. Triangle: worst model of each task, with its 95% interval. Dot: average.', rows: [{ figures: clouds }] },
    { name: 'training', title: 'Training', note: 'Thin line: every step; thick line: moving mean.', rows: results.training.map(({ name }, i) => ({ heading: clean(name), figures: training[i]! })) },
  ];
}
