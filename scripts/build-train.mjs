// Builds the trainer and decision server (a process of its own, never in the addon) and puts it where the package looks for it.
// With --built it is there already: `npm run build` builds addon and trainer in one call of cargo, for the host by name as napi does. Then
// what both are made of is compiled once, and the last steps of the two run side by side.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = process.argv.includes('--built');
if (!built) execFileSync('cargo', ['build', '--release', '--locked', '-p', 'tiresias-train'], { cwd: root, stdio: 'inherit' });
const host = () => /^host: (\S+)$/m.exec(execFileSync('rustc', ['-vV'], { cwd: root, encoding: 'utf8' }))[1];
const target = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), ...(built ? [process.env.CARGO_BUILD_TARGET ?? host()] : []));
const name = process.platform === 'win32' ? 'tiresias-train.exe' : 'tiresias-train';
const bin = join(root, 'native', 'bin');
mkdirSync(bin, { recursive: true });
// Copy beside, then rename: a running trainer keeps its old file instead of blocking the build.
copyFileSync(join(target, 'release', name), join(bin, `${name}.new`));
renameSync(join(bin, `${name}.new`), join(bin, name));
