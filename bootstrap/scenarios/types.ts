/** Which nodes a scenario means: by role, those that hold volumes, all of them, or (any other text) one by its name. */
export type NodeChoice = 'control plane' | 'worker' | 'worker with volumes' | 'all nodes' | (string & {});

/** One blow of a disaster. */
export type Blow =
  | { readonly kill: NodeChoice; readonly what: 'board' | 'card' | 'both' }
  | { readonly lose: 'nas configuration' | 'git host' | 'cluster key' | 'backups' }
  | { readonly swap: 'secrets bundle' };

/** The ordinary command that is to bring the cluster back; `answers` is what the person says, by the question's code (`{cluster}` and `{node}` stand for their names). */
export type RecoveryWish = {
  readonly command: 'rebuild' | 'restore';
  readonly node?: NodeChoice;
  readonly options: Readonly<Record<string, boolean>>;
  readonly answers: Readonly<Record<string, string>>;
};

/** An object, or all of a kind or namespace, that may be another or gone at the end, and why. What is left out matches everything. */
export type Allowance = { readonly kind?: string; readonly namespace?: string; readonly name?: string; readonly why: string };

/** What has to be true at the end. `failure`: the command has to refuse with one of these codes, and nothing may be touched. `objects`: all as before the disaster, as the backup knows them, or only what git makes. */
export type Expectation =
  | { readonly end: 'failure'; readonly codes: readonly string[]; readonly why: string }
  | { readonly end: 'done'; readonly objects: 'same' | 'as in the backup' | 'what git makes'; readonly allowed: readonly Allowance[] };

/** A disaster to rehearse, as its file tells it. `name` is the file's without its ending; budgets are milliseconds; `work` says that work goes on after the backup. */
export type Scenario = {
  readonly name: string;
  readonly file: string;
  readonly title: string;
  readonly story: string;
  readonly work: boolean;
  readonly disaster: readonly Blow[];
  readonly recovery: RecoveryWish;
  readonly expect: Expectation;
  readonly budget: { readonly rtoMs?: number; readonly rpoMs?: number };
};
