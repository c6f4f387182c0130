// The page's only style sheet. Colours of methods are made in palette.ts; the others are Okabe and Ito's (2008), safe for colour-blind
// readers, darkened for thin lines on white and lightened for the dark scheme.
import { shades } from './palette.js';

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #fdfdfc; --panel: #f5f5f2; --ink: #1c1e21; --muted: #62666d; --line: #dcdcd6; --accent: #0072b2;
  --belief: #0072b2; --seen: #d55e00; --shadow: #00000038;
  --oracle: #00845f; --y0: #4d5258; --y1: #85898f;
  ${shades(0.42, 0.64)}
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #15171a; --panel: #1d2024; --ink: #e8e8e4; --muted: #a0a4aa; --line: #33373d; --accent: #6db8ec;
    --belief: #56b4e9; --seen: #ff9150; --shadow: #ffffff47;
    --oracle: #2fc79b; --y0: #c9ccd0; --y1: #888d94;
  ${shades(0.86, 0.62)}
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, footer { max-width: 1160px; margin: 0 auto; padding: 0 24px; }
main { padding-top: 44px; }
footer { padding-block: 28px 56px; color: var(--muted); font-size: 14px; }
h1, h2, h3 { line-height: 1.25; text-wrap: balance; }
h1 { font-size: 15px; font-weight: 600; letter-spacing: .02em; color: var(--muted); margin: 0 0 10px; overflow-wrap: anywhere; }
h2 { font-size: 22px; margin: 56px 0 6px; padding-top: 20px; border-top: 1px solid var(--line); }
h3 { font-size: 16px; margin: 26px 0 6px; overflow-wrap: anywhere; }
p { margin: 6px 0 14px; max-width: 76ch; overflow-wrap: anywhere; }
a { color: var(--accent); }
.question { color: var(--muted); font-size: 17px; }
.answer { font-size: clamp(20px, 3.2vw, 28px); line-height: 1.32; font-weight: 600; letter-spacing: -.01em; max-width: 44em; text-wrap: pretty; margin: 4px 0 16px; }
.note { color: var(--muted); font-size: 14px; max-width: 100ch; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); gap: 20px 24px; margin: 14px 0; }
.flow { display: flex; flex-wrap: wrap; gap: 24px 36px; margin: 14px 0; }
.flow > figure { min-width: 0; max-width: 100%; }
figure { margin: 0; }
figcaption { font-weight: 600; font-size: 14px; margin-bottom: 6px; overflow-wrap: anywhere; }
figure svg { display: block; overflow: visible; max-width: 100%; height: auto; font-family: inherit; font-variant-numeric: tabular-nums; }
/* Where something goes on beyond an edge there is a shadow at that edge: two covers move with the content and hide the shadows at its ends (after Lea Verou, 2012). */
.scroll {
  overflow-x: auto; max-width: 100%;
  background:
    linear-gradient(to right, var(--page) 14px, transparent 36px) left / 36px 100% no-repeat local,
    linear-gradient(to left, var(--page) 14px, transparent 36px) right / 36px 100% no-repeat local,
    linear-gradient(to right, var(--shadow), transparent) left / 20px 100% no-repeat scroll,
    linear-gradient(to left, var(--shadow), transparent) right / 20px 100% no-repeat scroll;
}
.scroll svg { max-width: none; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; list-style: none; padding: 0; margin: 10px 0; font-size: 14px; color: var(--muted); }
.legend li { display: flex; align-items: center; gap: 8px; overflow-wrap: anywhere; }
.legend svg { flex: none; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; min-width: min(100%, 640px); }
th, td { padding: 7px 26px 7px 0; text-align: right; vertical-align: baseline; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
tbody .group th { font-weight: 500; color: var(--muted); padding-top: 18px; font-size: 13px; }
tbody:first-of-type .group th { padding-top: 10px; }
tr.spread :is(th, td) { font-style: italic; font-weight: 400; }
thead th { font-weight: 500; color: var(--muted); vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
tbody th { font-weight: 600; max-width: 260px; white-space: normal; overflow-wrap: anywhere; min-width: 9em; }
.group th { max-width: none; }
td small, thead small { display: block; color: var(--muted); font-size: 12px; font-weight: 400; line-height: 1.3; }
.gaps tbody th { max-width: none; }
.gaps em { font-weight: 400; }
.downloads { list-style: none; padding: 0; font-size: 14px; color: var(--muted); }
.downloads a { display: inline-block; min-width: 150px; margin-right: 12px; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; }
.summary tbody th { max-width: none; }
.summary table { table-layout: fixed; width: 100%; min-width: 1010px; }
.summary th:first-child { width: 176px; }
.summary :is(th, td):is(:nth-child(7), :nth-child(8)) { width: 88px; }
.summary :is(th, td):nth-child(9) { width: 76px; }
.dot { margin-right: 8px; vertical-align: -1px; }
.track { display: inline-block; width: 190px; max-width: 30vw; height: 9px; border-radius: 2px; background: var(--panel); vertical-align: middle; }
.track i { display: block; height: 100%; min-width: 1px; border-radius: 2px; background: var(--accent); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 220px), 1fr)); gap: 14px 24px; margin: 14px 0; }
.facts dt { color: var(--muted); font-size: 13px; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.terms { display: grid; grid-template-columns: minmax(0, 210px) minmax(0, 76ch); gap: 10px 24px; font-size: 15px; }
.terms dt { font-weight: 600; }
.terms dd { margin: 0; }
.terms small { display: block; color: var(--muted); }
@media (max-width: 640px) {
  main, footer { padding-inline: 16px; }
  main { padding-top: 24px; }
  h2 { margin-top: 40px; }
  /* The names stay while the numbers scroll. */
  th:first-child:not([scope="rowgroup"]) { position: sticky; left: 0; z-index: 1; background: var(--page); width: 124px; min-width: 124px; max-width: 124px; padding-right: 10px; }
  .summary th:first-child { width: 124px; }
  .summary table { min-width: 960px; }
  th, td { padding-right: 18px; }
  .terms { grid-template-columns: minmax(0, 1fr); gap: 2px; }
  .terms dd { margin-bottom: 12px; }
}
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; }
pre { background: var(--panel); padding: 14px 16px; border-radius: 6px; overflow-x: auto; line-height: 1.5; margin: 10px 0; }
details { margin: 14px 0; }
summary { cursor: pointer; color: var(--accent); width: fit-content; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media print {
  :root { color-scheme: light; --page: #fff; --panel: #fff; --ink: #000; --muted: #444; --line: #bbb; }
  main, footer { max-width: none; padding-inline: 0; }
  .grid { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 10px; }
  .flow { gap: 14px; }
  .flow > figure { max-width: 31%; }
  .scroll { overflow: visible; background: none; }
  .scroll svg { max-width: 100%; }
  table { min-width: 0; font-size: 12px; }
  .summary table { table-layout: auto; min-width: 0; width: 100%; font-size: 9.5px; }
  .summary :is(th, td) { width: auto !important; }
  th, td { padding: 3px 8px 3px 0; white-space: normal; }
  tbody .group th { padding-top: 10px; }
  th:first-child { position: static; background: none; }
  /* A name stands in whole words, however many columns there are. */
  tbody th { min-width: 9em; max-width: none; width: auto; overflow-wrap: normal; }
  figcaption { font-size: 12px; }
  td small { font-size: 8px; white-space: normal; }
  .gaps td small { font-size: 10px; }
  .downloads, h2:has(+ .downloads) { display: none; }
  h2 { margin-top: 26px; }
  figure, tr, h3 + .scroll { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
`;
