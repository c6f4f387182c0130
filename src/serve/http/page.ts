// The page at `/`: policies, live sessions, and one session's belief. It is one file without anything from elsewhere.

/** What the page may load and do. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tiresias</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
td.number { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
button.link { font: inherit; background: none; border: 0; padding: 0; color: LinkText; text-decoration: underline; cursor: pointer; }
meter { width: 100%; }
[role=alert] { color: light-dark(#a00, #f88); }
label { display: block; }
td > button.link { overflow-wrap: anywhere; text-align: left; min-width: 5rem; }
@media (max-width: 34rem) { body { margin-top: 1rem; } table { display: block; overflow-x: auto; } th, td { padding-right: .4rem; font-size: .85rem; } }
</style>
<h1>Tiresias</h1>
<p role="alert" id="problem" hidden></p>
<form id="entry" hidden><label>Token <input id="token" type="password" autocomplete="off"></label> <button>Show</button></form>
<h2>Policies</h2>
<table><thead><tr><th>Policy</th><th>Variant</th><th class="number">Share</th><th>Model</th><th class="number">Value at least</th><th class="number">at most</th></tr></thead><tbody id="policies"></tbody></table>
<h2>Sessions</h2>
<table><thead><tr><th>Session</th><th>Policy</th><th class="number">Version</th><th>Changed</th></tr></thead><tbody id="sessions"></tbody></table>
<p><span id="which"></span> <button class="link" type="button" id="first" hidden>From the start</button> <button class="link" type="button" id="next" hidden>Further</button></p>
<section id="session" hidden aria-live="polite"><h2>Session <span id="id"></span></h2><p id="say"></p>
<table><thead><tr><th id="what">State</th><th class="number">Probability</th><th style="width:40%"></th></tr></thead><tbody id="belief"></tbody></table><p id="rest"></p></section>
<script type="module">
const at = (id) => document.getElementById(id);
let token = '';
let shown;
// The list goes on after this id.
let after = '';
async function get(path) {
  const answer = await fetch(path, { headers: token ? { authorization: 'Bearer ' + token } : {} });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.detail), { status: answer.status, code: body.code });
  return body;
}
// Names come from models and ids from clients: they are text and never markup.
function row(...cells) {
  const line = document.createElement('tr');
  for (const [content, kind] of cells) {
    const cell = document.createElement('td');
    if (kind) cell.className = kind;
    cell.append(content);
    line.append(cell);
  }
  return line;
}
function link(text, action) {
  const button = document.createElement('button');
  button.className = 'link';
  button.type = 'button';
  button.textContent = text;
  button.onclick = action;
  return button;
}
const MOST_STATES = 50;
async function session(id) {
  shown = id;
  const found = await get('/sessions/' + encodeURIComponent(id));
  // Of the model that the policy has now; the belief may be over an older one, whose states then have numbers only.
  const policy = await get('/policies/' + encodeURIComponent(found.policy) + '?variant=' + encodeURIComponent(found.variant));
  const states = policy.model?.hash === found.state.model ? policy.names.states : [];
  const { belief } = found.state;
  if (belief) beliefIn(belief, states);
  at('id').textContent = id;
  at('say').textContent = '';
  at('session').hidden = false;
  const { decision } = await get('/sessions/' + encodeURIComponent(id) + '/decision');
  // A language model has no belief: what it thinks of each action is all there is to see.
  const log = decision?.logprobs;
  if (!belief) rows('Action', log ? log.map((l, a) => [policy.names.actions[a] ?? String(a), Math.exp(l)]) : []);
  const worth = !decision ? 'The horizon is over.' : 'Next: ' + decision.name + (log ? ', the likeliest action of a language model; nothing is proven about it.'
    : ', worth between ' + decision.lower.toFixed(4) + ' and ' + decision.upper.toFixed(4) + '; loses at most ' + decision.regretBound.toPrecision(3) + '.');
  at('say').textContent = 'Variant ' + found.variant + '. Stage ' + (found.state.stage ?? found.state.history.length) + ', version ' + found.version + '. ' + worth;
}
function rows(what, pairs) {
  at('what').textContent = what;
  at('belief').replaceChildren(...pairs.map(([name, p]) => {
    const bar = document.createElement('meter');
    bar.value = p;
    bar.textContent = p.toFixed(4);
    return row([name], [p.toFixed(4), 'number'], [bar]);
  }));
}
function beliefIn(belief, states) {
  const pairs = Array.isArray(belief) ? belief.map((p, s) => [s, p]) : belief.states.map((s, i) => [s, belief.probabilities[i]]);
  const likely = pairs.filter(([, p]) => p > 0).sort((a, b) => b[1] - a[1]);
  rows('State', likely.slice(0, MOST_STATES).map(([s, p]) => [states[s] ?? String(s), p]));
  at('rest').textContent = likely.length > MOST_STATES ? 'The ' + MOST_STATES + ' likeliest of ' + likely.length + ' possible states are shown.' : '';
}
const about = ({ model, languageModel }) => (model ? model.kind + ', ' + model.states + ' states, ' + model.actions + ' actions'
  : 'language model over ' + languageModel.base + ': ' + languageModel.forms.map(({ family, regime }) => family + ' ' + regime).join(', '));
async function refresh() {
  try {
    const policies = await get('/policies');
    at('policies').replaceChildren(...policies.map((p) => row([p.name], [p.variant], [(100 * p.share).toFixed(1) + ' %', 'number'], [about(p)], [p.lower?.toFixed(4) ?? '', 'number'], [p.upper?.toFixed(4) ?? '', 'number'])));
    const { sessions, next } = await get('/sessions?limit=100' + (after === '' ? '' : '&after=' + encodeURIComponent(after)));
    at('sessions').replaceChildren(...sessions.map((s) => row([link(s.id, () => session(s.id).catch(say))], [s.policy], [String(s.version), 'number'], [new Date(s.changed).toLocaleString()])));
    at('which').textContent = (sessions.length === 0 ? 'No session' : sessions.length === 1 ? 'One session' : sessions.length + ' sessions, in the order of their ids') + (after === '' ? '' : ', after ' + after) + (next === null ? '.' : '; there are more.');
    at('first').hidden = after === '';
    at('next').hidden = next === null;
    at('next').onclick = () => { after = next; refresh(); };
    if (shown && sessions.some((s) => s.id === shown)) await session(shown);
    at('problem').hidden = true;
    at('entry').hidden = true;
  } catch (error) { say(error); }
}
function say(error) {
  at('problem').textContent = error.message;
  at('problem').hidden = false;
  if (error.status === 401) at('entry').hidden = false;
}
at('first').onclick = () => { after = ''; refresh(); };
at('entry').onsubmit = (event) => { event.preventDefault(); token = at('token').value; refresh(); };
refresh();
setInterval(refresh, 5000);
</script>
</html>
`;
