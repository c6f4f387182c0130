// Text on a screen of so many columns: no word is broken, and what goes on stands below where it began.

/** Room that is left for words, at least. */
const LEAST = 20;

/** Words in lines of at most `columns`, those after the first behind `indent` spaces. */
function wrapped(words: readonly string[], columns: number, indent: number, end = ''): string {
  const lines = [words[0] ?? ''];
  for (const word of words.slice(1)) {
    if (`${lines.at(-1)!} ${word}${end}`.length <= columns) lines[lines.length - 1] += ` ${word}`;
    else lines.push(' '.repeat(indent) + word);
  }
  return lines.join(`${end}\n`);
}

/**
 * A line that is too long goes on below the last of its columns (which two spaces set apart) that has room for all words behind it; where none has,
 * below its beginning.
 */
function fittedLine(line: string, columns: number): string {
  if (line.length <= columns) return line;
  const lead = /^\s*/.exec(line)![0].length;
  const hasRoom = (at: number) => columns - at >= LEAST && line.slice(at).split(' ').every((word) => word.length <= columns - at);
  const column = [...line.matchAll(/(?<=\S)\s{2,}/g)].map((gap) => gap.index + gap[0].length).findLast(hasRoom);
  // What stands before stays as it is.
  const [first, ...words] = line.slice(column ?? lead).split(' ');
  return wrapped([line.slice(0, column ?? lead) + first!, ...words], columns, column ?? lead + 2);
}

/** The rule under the head of a table, which says where its columns are. */
const RULE = /^-+(?: {2}-+)+$/;

/** A table that is too wide as several, one below the other, each of which begins with the first column. */
function fittedTable(lines: readonly string[], columns: number): string[] {
  const [first, ...others] = [...lines[1]!.matchAll(/-+/g)].map(({ index, 0: dashes }) => ({ from: index, to: index + dashes.length }));
  const width = (column: { from: number; to: number }) => column.to - column.from;
  const blocks: { from: number; to: number }[][] = [];
  let room = 0;
  for (const column of others) {
    room -= 2 + width(column);
    if (blocks.length === 0 || room < 0) {
      blocks.push([first!]);
      room = columns - width(first!) - 2 - width(column);
    }
    blocks.at(-1)!.push(column);
  }
  const drawn = (block: (typeof blocks)[number]) => lines.map((line) => block.map(({ from, to }) => line.slice(from, to).padEnd(to - from)).join('  ').trimEnd());
  return blocks.flatMap((block, i) => [...(i > 0 ? [''] : []), ...drawn(block)]);
}

/** Text for a screen; as it is where there is none. */
export function fitted(text: string, columns: number | undefined): string {
  if (columns === undefined) return text;
  const lines = text.split('\n');
  const out: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (!RULE.test(lines[i + 1] ?? '') || lines[i + 1]!.length <= columns) {
      out.push(fittedLine(lines[i]!, columns));
      continue;
    }
    const end = lines.findIndex((line, j) => j > i && line === '');
    out.push(...fittedTable(lines.slice(i, end === -1 ? lines.length : end), columns));
    i = (end === -1 ? lines.length : end) - 1;
  }
  return out.join('\n');
}

/** A command of an example, which goes on in another line as a shell takes it. */
export function commandLine(command: string, columns: number | undefined): string {
  const line = `  $ ${command}`;
  return columns === undefined || line.length <= columns ? line : wrapped(pieces(line), columns, 6, ' \\');
}

/** The words of a command; what is quoted is one. */
const pieces = (line: string): string[] => /^(\s*\S+) (.*)$/.exec(line)!.slice(1).flatMap((part, i) => (i === 0 ? [part] : part.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []));
