// A template tag that escapes whatever is put into it, unless that came out of the tag itself.

/** Markup that is safe to place as it stands. */
export class Markup {
  constructor(readonly text: string) {}
}

export type Fragment = Markup | string | number | null | undefined | false | readonly Fragment[];

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);

const place = (part: Fragment): string => {
  if (part instanceof Markup) return part.text;
  if (Array.isArray(part)) return (part as readonly Fragment[]).map(place).join('');
  return part === null || part === undefined || part === false ? '' : escape(String(part as string | number));
};

export const html = (parts: TemplateStringsArray, ...values: readonly Fragment[]): Markup =>
  new Markup(parts.reduce((text, part, i) => text + place(values[i - 1]) + part));
