// What a plain scalar would be read as, other than a string (go.yaml.in/yaml: resolve.go, with the old booleans of YAML 1.1).
const NOT_TEXT = [
  /^$/, /^(~|null|Null|NULL)$/,
  /^(true|True|TRUE|false|False|FALSE)$/,
  /^[-+]?(\.inf|\.Inf|\.INF)$/, /^(\.nan|\.NaN|\.NAN)$/,
  /^[-+]?(0[bB][01_]+|0[oO]?[0-7_]+|0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)$/,
  /^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9][0-9_]*)?$/,
  /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?$/,
];

// What only YAML 1.1 reads as something else: merge keys, old booleans and numbers of base 60.
const OLD = [/^<<$/, /^(yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|y|Y|n|N)$/, /^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$/];

// Characters that may not start a plain scalar in block context, and the two pairs that may not be inside.
const NOT_PLAIN = [/^[#,[\]{}&*!|>'"%@`]/, /^[-?:](\s|$)/, /^(---|\.\.\.)/, /^\s|\s$/, /:(\s|$)/, /\s#/];
const SPECIAL = /[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;

/**
 * A string as Go's YAML marshaller writes it as a value in block style: plain where that reads back as the same string, quoted
 * where it must be, a literal block where it has lines. `depth` is how deep a block's lines are indented, in steps of four.
 */
export function goString(text: string, depth: number): string {
  const blockable = text.includes('\n') && /\S/.test(text) && !/ (\n|$)/.test(text);
  if (blockable && !SPECIAL.test(text.replaceAll(/[\n\t]/g, ''))) return literal(text, depth);
  if (SPECIAL.test(text)) return doubleQuoted(text);
  if (NOT_TEXT.some((shape) => shape.test(text))) return doubleQuoted(text);
  if ([...OLD, ...NOT_PLAIN].some((shape) => shape.test(text))) return `'${text.replaceAll("'", "''")}'`;
  return text;
}

function literal(text: string, depth: number): string {
  const indent = ' '.repeat(4 * depth);
  const body = text.replace(/\n+$/, '');
  const ending = text.length - body.length;
  const chomp = ending === 0 ? '-' : ending === 1 ? '' : '+';
  const hint = text.startsWith(' ') ? '4' : '';
  const lines = [...body.split('\n'), ...Array.from({ length: Math.max(0, ending - 1) }, () => '')];
  return `|${hint}${chomp}\n${lines.map((line) => (line === '' ? '' : indent + line)).join('\n')}`;
}

function doubleQuoted(text: string): string {
  const named: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0' };
  const body = [...text].map((char) => named[char] ?? (SPECIAL.test(char) ? escaped(char) : char)).join('');
  return `"${body}"`;
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
  if (code <= 0xffff) return `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
  return `\\U${code.toString(16).toUpperCase().padStart(8, '0')}`;
}
