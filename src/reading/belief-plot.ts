// What is done, and what it is worth, over all beliefs about two or three states.
import { TiresiasError } from '../errors.js';
import { sheetSvg } from '../report/sheet.js';
import { beliefLine } from './belief-line.js';
import { beliefTriangle } from './belief-triangle.js';
import type { Reader } from './reader.js';

/** Refuses a model whose beliefs cannot be drawn. Throws USAGE. */
export function checkPlottable({ states, observations }: { states: number; observations: number }): void {
  if (observations === 0) throw new TiresiasError('USAGE', '--belief-plot: states are seen, so that there are no beliefs to draw; --table says what is done in each');
  if (states !== 2 && states !== 3) throw new TiresiasError('USAGE', `--belief-plot: beliefs about 2 or 3 states can be drawn, and this model has ${states}; ask at single ones with --belief, or see the policy with --graph`);
}

/** The drawing, as an SVG file of its own. */
export async function beliefPlot(reader: Reader, stage: number, title: string): Promise<string> {
  checkPlottable(reader.model);
  const sheet = reader.spaces.states.size === 2 ? await beliefLine(reader, stage) : beliefTriangle(reader, stage);
  const when = reader.horizon === null ? '' : `, decision ${stage + 1} of ${reader.horizon}`;
  return sheetSvg({ name: 'beliefs', title: `${title}${when}`, ...sheet });
}
