// The building blocks of the page: tables that scroll by themselves, figures, legends, facts.
import type { Figure } from './figures.js';
import { html, type Fragment, type Markup } from './html.js';
import { kindsOf, type Method } from './names.js';
import type { Sheet } from './sheet.js';

/** Rows of a table that belong together, under a heading of their own. */
export interface Section {
  heading?: string;
  rows: readonly (readonly Fragment[])[];
}

/** The first column heads its rows. On a narrow screen the table scrolls, not the page; the box takes the focus for that. */
export const sectionedTable = (label: string, headings: readonly Fragment[], sections: readonly Section[], kind = ''): Markup => html`
<div class="scroll ${kind}" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${headings.map((heading) => html`<th scope="col">${heading}</th>`)}</tr></thead>
${sections.map(({ heading, rows }) => html`<tbody>${heading !== undefined && html`
<tr class="group"><th scope="rowgroup" colspan="${headings.length}">${heading}</th></tr>`}${rows.map(([head, ...cells]) => html`
<tr><th scope="row">${head}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}
</tbody>`)}</table></div>`;

export const table = (label: string, headings: readonly Fragment[], rows: readonly (readonly Fragment[])[], kind = ''): Markup =>
  sectionedTable(label, headings, [{ rows }], kind);

export const figure = ({ title, svg }: Figure): Markup => html`
<figure><figcaption>${title}</figcaption>${svg}</figure>`;

/** A figure that keeps its size, however wide, and scrolls where the page is narrower. */
export const wideFigure = ({ title, svg }: Figure): Markup => html`
<figure><figcaption>${title}</figcaption><div class="scroll" role="region" aria-label="${title}" tabindex="0">${svg}</div></figure>`;

export const dot = ({ colour, marker, label }: Method): Markup => html`<svg class="dot" width="11" height="11" viewBox="-1.2 -1.2 2.4 2.4" aria-hidden="true"><path d="${marker}" fill="${colour}"/></svg>${label}`;

const key = (drawing: Markup, words: Fragment): Markup => html`<li><svg width="28" height="14" viewBox="0 0 28 14" aria-hidden="true">${drawing}</svg>${words}</li>`;

/** What stands in a legend: a drawing 28 wide and 14 high, and what it means. */
export interface LegendKey {
  drawing: Markup;
  label: string;
}

/** Which line is whose: a line and its marker, each kind of method once. */
export const methodKeys = (methods: readonly Method[]): LegendKey[] => kindsOf(methods).map(({ colour, dash, marker, yardstick, label }) => ({
  label,
  drawing: html`<path d="M1 7H27" stroke="${colour}" stroke-width="${yardstick ? 1.5 : 2}" stroke-dasharray="${dash.join(' ')}" fill="none"/>${
    !yardstick && html`<path d="${marker}" transform="translate(14 7) scale(3.4)" fill="${colour}"/>`}`,
}));

export const legend = (keys: readonly LegendKey[]): Markup => html`<ul class="legend">${keys.map(({ drawing, label }) => key(drawing, label))}</ul>`;

/** A sheet on the page: row by row, each under its heading and its legend. One that stands alone may be as wide as it needs: shrunk to a phone its words could not be read. */
export const sheetFigure = ({ rows }: Sheet): Markup => html`${rows.map(({ heading, keys, figures }) => html`
${heading !== undefined && html`<h3>${heading}</h3>`}
${keys && legend(keys)}
<div class="${figures.length === 1 ? 'flow' : 'grid'}">${figures.map(figures.length === 1 ? wideFigure : figure)}</div>`)}`;

export const CLOUD_LEGEND = html`<ul class="legend">
${key(html`<path d="M14 1V13" stroke="var(--muted)" stroke-width="2"/>`, 'nature held at one model')}
${key(html`<path d="M2 7H26" stroke="var(--muted)" stroke-width="2"/><path d="M9 3H19L14 12Z" fill="var(--muted)"/>`, 'worst model of each task, with its 95% interval')}
${key(html`<circle cx="14" cy="7" r="5" fill="var(--muted)"/>`, 'average over the models')}</ul>`;

export const DIFFERENCE_LEGEND = html`<ul class="legend">
${key(html`<path d="M1 7H27" stroke="var(--muted)" stroke-width="2"/><circle cx="14" cy="7" r="4.5" fill="var(--muted)"/>`, 'told apart (Holm-corrected p below 0.05)')}
${key(html`<path d="M1 7H27" stroke="var(--muted)" stroke-width="2"/><circle cx="14" cy="7" r="4" fill="var(--page)" stroke="var(--muted)" stroke-width="2"/>`, 'not told apart')}</ul>`;

export const TRACE_LEGEND = html`<ul class="legend">
${key(html`<circle cx="14" cy="7" r="3.5" fill="var(--ink)"/>`, 'true state; action taken')}
${key(html`<circle cx="14" cy="7" r="5.5" fill="none" stroke="var(--seen)" stroke-width="2"/>`, 'observation')}
${key(html`<circle cx="14" cy="7" r="5.5" fill="none" stroke="var(--oracle)" stroke-width="2"/>`, 'the oracle’s action')}
${key(html`${[0.15, 0.4, 0.7, 1].map((p, i) => html`<rect x="${i * 7}" y="1" width="7" height="12" fill="var(--belief)" opacity="${p}"/>`)}`, 'the oracle’s belief, stronger is likelier')}</ul>`;

/** A share of a whole as a bar, for a table cell; the number stands beside it. */
export const bar = (share: number): Markup => html`<span class="track" aria-hidden="true"><i style="width:${(100 * share).toFixed(1)}%"></i></span>`;

export const facts = (entries: readonly (readonly [string, Fragment])[]): Markup => html`
<dl class="facts">${entries.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
