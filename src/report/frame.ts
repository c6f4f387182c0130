// What every page of ours stands in: no script, no network, one style sheet, the source of the ideas at the foot.
import { FOOTNOTE, PAPER } from './glossary.js';
import { html, Markup, type Fragment } from './html.js';
import { STYLE } from './style.js';
import { clean } from './text.js';

/** A whole document around the parts of a page; `version` is that of what wrote its numbers. */
export const framed = (title: string, parts: Fragment, version: string): string => html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
${parts}
</main>
<footer id="source">
<p>Source of the ideas: ${PAPER.title}, <a href="${PAPER.url}">${PAPER.label}</a>. ${FOOTNOTE}</p>
<p>Written by Tiresias ${clean(version)}.</p>
</footer>
</body>
</html>
`.text;
