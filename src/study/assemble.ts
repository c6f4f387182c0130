// Makes a study of its parts: documents of cells are taken from the folders that parts left, and what is missing is named, not made.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TiresiasError } from '../errors.js';
import { io, writeAtomic } from '../files.js';
import { cutOf, partName, partWith, requireCut, requireNobody, type Cut } from '../parts.js';
import { cellPath, finishedCell } from './cells.js';
import { openStudy, reproduce, type Reproduced, type ReproduceOptions } from './reproduce.js';

/**
 * Draws a study's page from the documents of its cells that lie in its folder and in those of its parts, and runs none. Throws PARTS_MISSING with every
 * cell that is missing or whose document is not believed, and PARTS_DIFFER where folders are cut into different numbers of parts.
 */
export async function assembleStudy(nameOrPath: string, folders: readonly string[], options: ReproduceOptions = {}): Promise<Reproduced> {
  const { cells, folder, own, committed } = await openStudy(nameOrPath, options);
  const places = [folder, ...folders];
  let cut: Cut | undefined;
  for (const place of places) {
    await requireNobody(place);
    const found = await cutOf(place);
    if (found) requireCut(place, cut ?? found, found);
    cut ??= found;
  }
  const problems: string[] = [];
  for (const [unit, cell] of cells.entries()) {
    options.signal?.throwIfAborted();
    if ((await finishedCell(own, cell)) || (committed !== undefined && (await finishedCell(committed, cell)))) continue;
    let wrong = 'is missing';
    let taken = false;
    for (const place of places) {
      const path = cellPath(join(place, 'cells'), cell);
      const document = await readFile(path).catch(() => undefined);
      if (document && !(await finishedCell(join(place, 'cells'), cell))) wrong = `has a document that is damaged, or was made from something else: ${path}`;
      else if (document) {
        await io(`write ${cellPath(own, cell)}`, () => writeAtomic(cellPath(own, cell), document));
        taken = true;
        break;
      }
    }
    if (!taken) problems.push(`${cell.name} ${wrong}${cut ? `: ${partName(partWith(unit, cut.of))} makes it` : ''}`);
  }
  if (problems.length > 0) {
    throw new TiresiasError('PARTS_MISSING', `${problems.length} of ${cells.length} cells are missing or damaged:\n${problems.map((problem) => `  ${problem}`).join('\n')}\nrun these parts again: each makes only what is not there`, { details: { problems } });
  }
  return reproduce(nameOrPath, options);
}
