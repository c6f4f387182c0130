// A study's results setting by setting: a setting is one regime of one finished cell.
import { methodsOf, regimeLabel, type Method } from '../report/names.js';
import { clean } from '../report/text.js';
import type { RegimeResult, Results } from '../results.js';
import { isFailed, type DoneCell, type StudyResults } from './results.js';

/** A regime of a finished cell. */
export interface Setting {
  cell: DoneCell;
  regime: string;
  result: RegimeResult;
}

/** All settings, cell by cell. */
export const settingsOf = ({ cells }: StudyResults): Setting[] =>
  cells.flatMap((cell) => (isFailed(cell) ? [] : Object.entries(cell.regimes).map(([regime, result]) => ({ cell, regime, result }))));

/** Places of the axes that have several, and the regime where there are several: what tells a setting from the others. */
export function settingLabel(results: StudyResults, { cell, regime }: Pick<Setting, 'cell' | 'regime'>, without?: string): string {
  const several = results.axes.filter(({ places, name }) => places.length > 1 && name !== without).map(({ name }) => {
    const place = cell.places[name]!;
    return /^[\d.]+$/.test(place) ? `${name} = ${place}` : place;
  });
  const regimes = new Set(settingsOf(results).map((setting) => setting.regime));
  return [...(regimes.size > 1 || several.length === 0 ? [regimeLabel(regime)] : []), ...several].join(' · ');
}

/** Settings that differ along the x axis only, in its order: a panel of the figure, and a table. */
export interface Panel {
  /** What they share; the regime where that is all there is to say. */
  title: string;
  settings: Setting[];
}

export function panelsOf(results: StudyResults): Panel[] {
  const panels = new Map<string, Panel>();
  for (const setting of settingsOf(results)) {
    const rest = JSON.stringify([setting.regime, ...results.axes.filter(({ name }) => name !== results.x).map(({ name }) => setting.cell.places[name])]);
    const panel = panels.get(rest) ?? { title: settingLabel(results, setting, results.x) || regimeLabel(setting.regime), settings: [] };
    panel.settings.push(setting);
    panels.set(rest, panel);
  }
  return [...panels.values()];
}

/** What the x axis is called. */
export const axisLabel = ({ x, axes }: StudyResults): string => clean(axes.find(({ name }) => name === x)!.label);

/** As a document of one experiment whose regimes are the settings: names, colours and the sentence of a report hold for a study as well. */
export function asResults(results: StudyResults): Results {
  const settings = settingsOf(results);
  return { baseModel: undefined, regimes: Object.fromEntries(settings.map((setting) => [settingLabel(results, setting), setting.result])) } as Results;
}

export const methodsIn = (results: StudyResults): Method[] => methodsOf(asResults(results));

/** The place of a setting on the x axis. */
export const placeOf = ({ x }: StudyResults, { cell }: Setting): string => cell.places[x]!;

/** Holes of a study with their reasons. */
export const holes = ({ cells }: StudyResults): string[] => cells.flatMap((cell) => (isFailed(cell) ? [`${cell.name}: ${clean(cell.failed)}`] : []));
