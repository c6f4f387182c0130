// A decision for a service: the policy is a file that carries its model, the session is JSON that your database keeps. `node examples/session.mjs [FOLDER]`
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { classicModel, loadPolicy, savePolicy, solve } from '@tiresias-rl/tiresias';

const file = join(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'tiresias-')), 'tiger.policy');
await savePolicy(file, await solve(classicModel('tiger'), { gap: 0.1 }));

let saved; // a row of your database
for (const heard of ['hear-left', 'hear-left']) {
  const policy = await loadPolicy(file);
  const session = policy.session(saved);
  const { name, regretBound } = session.decide();
  console.log(`stage ${session.stage}: ${name} (loses at most ${regretBound.toFixed(2)})`);
  session.observe(name, heard);
  saved = JSON.stringify(session);
}
