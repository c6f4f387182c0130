// Plain words and numbers, before any markup.

/** Characters that would steer a terminal, reorder a line or that no document may hold become �; line ends stay. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cs}\p{Noncharacter_Code_Point}\u202A-\u202E\u2066-\u2069]|(?!\n)\p{Cc}/gu, '\u{FFFD}');

/** Text from the results made fit to show on one line. */
export const clean = (text: string): string => printable(text.replace(/\s+/g, ' ').trim());

/** At most `length` characters, cut at a mark of omission. */
export const shorten = (text: string, length: number): string => {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('').trimEnd()}…`;
};

/** Three decimals, fewer for large numbers, an exponent only for what three decimals would hide. */
export function decimal(x: number): string {
  const size = Math.abs(x);
  if (size < 1e-9) return '0.000';
  if (size < 5e-4 || size >= 1e7) return minus(x.toExponential(1));
  return minus(x.toFixed(size < 100 ? 3 : size < 1000 ? 2 : 1));
}

/** A probability to three decimals, and to one digit where that would be 0. */
export const probability = (p: number): string => (p >= 0.0005 ? p.toFixed(3) : String(Number(p.toPrecision(1))));

export const percent = (x: number): string => minus(`${(Math.abs(x) < 5e-4 ? 0 : 100 * x).toFixed(1)}%`);

export const count = (n: number): string => minus(n.toLocaleString('en-US', { maximumFractionDigits: 0 }));

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3));
  return `${(n / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** “a”, “a and b”, “a, b and c”. */
export const list = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

/** A true minus sign in front of digits; the exponent of 1e-5 keeps its hyphen. */
const minus = (digits: string): string => digits.replace(/^-/, '\u2212');
