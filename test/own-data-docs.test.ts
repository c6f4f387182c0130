// docs/your-own-data.md, as it is typed and as it answers. With TIRESIAS_WRITE_DOCS=1 the answers are written into the page.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { loadPolicy } from '../src/index.js';
import { blocksOf } from './pages.js';
import { cli, root, scratch } from './support.js';

const run = promisify(execFile);
const path = join(root, 'docs', 'your-own-data.md');
const page = readFileSync(path, 'utf8');

/** How long something took is another number every time. */
const timeless = (text: string) => text.replace(/\d+\.\d{3} s and/g, '0.000 s and');

it('the commands of docs/your-own-data.md print what the page shows', { timeout: 180_000 }, async () => {
  const folder = scratch();
  const node = `'${process.execPath}'`;
  const shell = (text: string) => text.replaceAll('npx tiresias', `${node} '${cli}'`).replace(/node node_modules\/@tiresias-rl\/tiresias\/(\S+)/, (_, file: string) => `${node} '${join(root, file)}'`);
  const answers: string[] = [];
  let said = '';
  const shown: string[] = [];
  for (const { language, text } of blocksOf(page)) {
    if (language === 'json') writeFileSync(join(folder, 'schema.json'), text);
    if (language === 'sh') said = (await run('bash', ['-ec', shell(text)], { cwd: folder })).stdout;
    if (language === 'js') {
      writeFileSync(join(folder, 'own.mjs'), text.replace("from '@tiresias-rl/tiresias'", `from ${JSON.stringify(join(root, 'dist', 'index.js'))}`));
      said = (await run(process.execPath, ['own.mjs'], { cwd: folder })).stdout;
    }
    if (language === 'text') {
      answers.push(timeless(said));
      shown.push(text);
    }
  }
  if (process.env['TIRESIAS_WRITE_DOCS'] === '1') {
    let next = 0;
    writeFileSync(path, page.replace(/^```text\n[\s\S]*?^```$/gm, () => `\`\`\`text\n${answers[next++]!}\`\`\``));
    return;
  }
  expect(shown).toEqual(answers);
  expect(shown.length).toBeGreaterThan(6);
  await holdsTheTruth(join(folder, 'robust.policy'), shown);
});

/** The clinic is made up, so that the truth is known: the robust policy's value by backward induction over examples/patients.mjs' own numbers. */
async function holdsTheTruth(file: string, shown: readonly string[]): Promise<void> {
  const script = readFileSync(join(root, 'examples', 'patients.mjs'), 'utf8');
  const constant = <T>(name: string): T => new Function(`return ${new RegExp(`const ${name} = (\\{[^]*?\\n\\}|.*);`).exec(script)![1]!}`)() as T;
  const [next, well, cost] = [constant<Record<string, number[][]>>('NEXT'), constant<number[]>('WELL'), constant<Record<string, number>>('COST')];
  const { solution, model } = await loadPolicy(file);
  const symbols = ['<130', '130..150', '>=150'];
  const states = Array.from({ length: model.states }, (_, state) => model.stateName(state));
  let value = [0, 0, 0];
  for (let stage = 5; stage >= 0; stage--) {
    value = symbols.map((symbol, pressure) => {
      const belief = Float64Array.from(states, (name) => Number(name === symbol));
      const dose = model.actionName(solution.action(stage, belief));
      return well[pressure]! - cost[dose]! + next[dose]![pressure]!.reduce((sum, chance, after) => sum + chance * value[after]!, 0);
    });
  }
  const truth = 0.3 * value[0]! + 0.4 * value[1]! + 0.3 * value[2]!;
  const [, low, high] = /^dr +[\d.]+ +\[([\d.]+), ([\d.]+)\]/m.exec(shown.findLast((text) => text.includes('robust.policy (robust-mdp'))!)!;
  expect(truth).toBeGreaterThan(Number(low));
  expect(truth).toBeLessThan(Number(high));
}

it('is linked from the README', () => {
  expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain('docs/your-own-data.md');
});
