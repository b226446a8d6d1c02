/** What a look said of something this folder can make: there, or missing and why. */
export type Observation =
  | { readonly state: 'done'; readonly detail: string }
  | { readonly state: 'needed'; readonly why: string };

/** It is there. */
export function done(detail: string): Observation {
  return { state: 'done', detail };
}

/** It has to be made, and why. */
export function needed(why: string): Observation {
  return { state: 'needed', why };
}
