// vega-statistics ships no types; these are the two functions used here.
declare module 'vega-statistics' {
  export function cumulativeNormal(value: number): number;
  export function quantileNormal(probability: number): number;
}
