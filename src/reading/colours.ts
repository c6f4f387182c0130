// Colours of actions: a hue each, then paler or stronger shades of them.
import { HUES, SHADES } from '../report/groups.js';

/** The custom property of an action's colour, which sheets know. */
export const actionColour = (action: number): string => `var(--h${(action + 1) % HUES.length}-${Math.floor((action + 1) / HUES.length) % SHADES})`;
