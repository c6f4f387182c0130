// The colours of methods: one hue a family, shades of it within, made in OKLCH so that shades of all hues are equally light.
// B. Ottosson, "A perceptual color space for image processing" (2020).
import { HUES, SHADES } from './groups.js';

/** A colour as #rrggbb; one outside of what a screen can show loses chroma until it is inside. */
export function oklch(lightness: number, chroma: number, hue: number): string {
  const [cos, sin] = [Math.cos((hue * Math.PI) / 180), Math.sin((hue * Math.PI) / 180)];
  for (let c = chroma; ; c -= 0.005) {
    const channels = linearRgb(lightness, Math.max(0, c) * cos, Math.max(0, c) * sin);
    if (c <= 0 || channels.every((x) => x >= 0 && x <= 1)) return `#${channels.map(hex).join('')}`;
  }
}

function linearRgb(lightness: number, a: number, b: number): number[] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function hex(linear: number): string {
  const x = Math.min(1, Math.max(0, linear));
  const encoded = x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
  return Math.round(255 * encoded).toString(16).padStart(2, '0');
}

/** Custom properties `--h<hue>-<shade>`, from `first` to `last` in lightness. */
export function shades(first: number, last: number): string {
  return HUES.map(([hue, chroma], h) => Array.from({ length: SHADES }, (_, i) => `--h${h}-${i}: ${oklch(first + ((last - first) * i) / (SHADES - 1), chroma, hue)};`).join(' ')).join('\n  ');
}
