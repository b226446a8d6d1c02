import { CHART_STYLE } from './style-charts.ts';

const BASE = `
:root{color-scheme:light dark;--paper:#fff;--ink:#12171d;--soft:#515c68;--line:#d5dbe1;--wash:#f3f5f7;--measured:#1d5b9e;--assumed:#8a5a00;--assumed-ground:#fff3d6;--own:#0f6b6b;--own-ground:#dff3f1;--good:#0b6637;--bad:#a3161b;--warn:#8a4b00;--dead:#f7e3e3;--band-good:#0b5c33;--band-bad:#97151a;--band-warn:#7d4500;--link:#0d4f95}
@media (prefers-color-scheme:dark){:root{--paper:#0f1419;--ink:#e9edf1;--soft:#a3aeb9;--line:#313b45;--wash:#182028;--measured:#6eaef0;--assumed:#e0a941;--assumed-ground:#33280f;--own:#5cc4bd;--own-ground:#12302e;--good:#62cf94;--bad:#ff8a86;--warn:#f0b45a;--dead:#351a1c;--band-good:#0c4a2b;--band-bad:#701217;--band-warn:#633700;--link:#8dc1f7}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:400 1rem/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace;font-size:.875em}
.wide,main{max-width:70rem;margin-inline:auto;padding-inline:clamp(1rem,4vw,2.5rem)}
.patterns{position:absolute}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.verdict{color:#fff;padding-block:clamp(1.5rem,4vw,3rem)}
header.passed{background:var(--band-good)}header.failed{background:var(--band-bad)}header.missed-budget{background:var(--band-warn)}
.kicker{margin:0 0 .75rem;font-size:.9375rem}
h1{margin:0;font-weight:700;line-height:1;letter-spacing:-.025em;display:grid;grid-template-columns:auto 1fr;align-items:center;column-gap:clamp(.75rem,2vw,1.5rem)}
h1 .mark{width:clamp(3.25rem,10vw,6.5rem);height:auto}
h1 .word{font-size:clamp(2.75rem,10.5vw,6.5rem);overflow-wrap:normal}
h1 .title{grid-column:1/-1;font-size:clamp(1.375rem,3.4vw,2.125rem);line-height:1.2;letter-spacing:-.012em;margin-top:1.25rem;font-weight:600}
.headline{margin:.5rem 0 0;font-size:clamp(1.0625rem,2vw,1.3125rem);line-height:1.45;max-width:46em;text-wrap:pretty}
h2{font-size:1.5rem;line-height:1.25;letter-spacing:-.015em;margin:3rem 0 .75rem;padding-top:1rem;border-top:2px solid var(--ink);text-wrap:balance}
h3{font-size:1.1875rem;line-height:1.3;letter-spacing:-.008em;margin:2.25rem 0 .5rem}
p{margin:.5rem 0;max-width:46em;text-wrap:pretty}
.lead,.aside,.below,small{color:var(--soft)}
.lead{margin-bottom:1rem}
.below{display:block;font-size:.8125rem;line-height:1.4;font-weight:400}
.aside{font-size:.875rem;line-height:1.4}
.story{font-size:1.125rem}
.ok{color:var(--good);font-size:.875rem}.wrong{color:var(--bad);font-weight:700;font-size:.875rem}
a{color:var(--link);text-underline-offset:.15em}
a:focus-visible,summary:focus-visible{outline:3px solid var(--measured);outline-offset:2px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(13.5rem,1fr));gap:0;margin:0;border-bottom:1px solid var(--line)}
.figure{padding:1.25rem 1.25rem 1.25rem 0}
.figure+.figure{padding-left:1.25rem;border-left:1px solid var(--line)}
.figure dt{font-size:.875rem;color:var(--soft);font-weight:600}
.figure dd{margin:0;display:flex;flex-direction:column;gap:.25rem}
.figure strong{font-size:1.875rem;line-height:1.25;letter-spacing:-.02em}
.figure strong small{font-size:1rem;font-weight:400;letter-spacing:0}
.figure strong code{font-size:1.125rem;letter-spacing:-.02em}
blockquote{margin:1rem 0;padding:.75rem 1rem;border:1px solid var(--line);border-left:5px solid var(--ink);background:var(--wash);max-width:46em}
blockquote p{margin:.25rem 0}
pre{background:var(--wash);border:1px solid var(--line);padding:.875rem 1rem;white-space:pre-wrap;margin:.5rem 0}
.reasons{list-style:none;padding:0}.reasons .wrong{font-size:1rem}
.plain,.lost{padding-left:1.25rem}.plain{font-size:.875rem;color:var(--soft)}
.lost li{margin:.25rem 0}
table{border-collapse:collapse;width:100%}
caption{text-align:left;font-weight:600;padding:.75rem 0 .375rem}
th,td{text-align:left;vertical-align:top;padding:.4375rem .875rem .4375rem 0;border-bottom:1px solid var(--line);font-size:.9375rem;line-height:1.45}
th:last-child,td:last-child{padding-right:0}
thead th{font-size:.8125rem;color:var(--soft);font-weight:600;border-bottom-color:var(--soft)}
tbody th{font-weight:500}
.number{text-align:right;white-space:nowrap}
.group th{padding-top:1rem;font-weight:700;border-bottom-color:var(--soft)}.kept tbody .below{display:inline;margin-left:.5rem}.kept th,.kept td{padding-block:.25rem}.kept .number+:not(.number){padding-left:1.5rem}
.digest{font-size:.75rem}
.sheet+.sheet,.sheet+details{margin-top:1rem}
details>summary{cursor:pointer;padding:.625rem 0;font-weight:600}
details.scenario{border-top:1px solid var(--line)}details.scenario:last-of-type{border-bottom:1px solid var(--line)}
details.scenario>summary{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:center;padding:.875rem 0;list-style-position:inside}
details.scenario>summary::-webkit-details-marker{display:none}
details.scenario>summary::before{content:'';border:solid currentColor;border-width:0 2px 2px 0;width:.5rem;height:.5rem;transform:rotate(-45deg);flex:none}
details.scenario[open]>summary::before{transform:rotate(45deg)}
.what>.mark,.verdict-cell>.mark{width:1.375rem;height:1.375rem;vertical-align:-.3rem;margin-right:.375rem}
.verdict-cell{white-space:nowrap}
details.scenario>summary .what{flex:1 1 14rem}
article{padding:0 0 3rem}article h2{border:0;margin-top:1rem;padding-top:0}article>.figures{margin-top:1rem;border-top:1px solid var(--line)}
footer{margin-top:4rem;border-top:1px solid var(--line);padding-block:1rem 2rem;font-size:.875rem;color:var(--soft)}
`;

const PHONE = `
@media (max-width:44rem){
h2{margin-top:2.25rem}
.figures{grid-template-columns:1fr 1fr;column-gap:1rem}.figure,.figure+.figure{padding:.875rem 0;border-left:0;border-top:1px solid var(--line)}.figure:nth-child(-n+2){border-top:0}.figure strong{font-size:1.375rem}.figure strong code{font-size:.875rem}.figure .aside,.figure .ok,.figure .wrong{font-size:.8125rem}
.sheet:not(.kept) :is(table,tbody,tr,th,td){display:block;width:auto}
.sheet:not(.kept) caption{display:block}
.sheet:not(.kept) thead{display:none}
.sheet:not(.kept) tr{padding:.625rem 0;border-bottom:1px solid var(--line)}
.sheet:not(.kept) :is(tbody th,td){padding:.0625rem 0;border:0}
.sheet:not(.kept) tbody th{font-weight:600}
.sheet:not(.kept) td{display:grid;grid-template-columns:6.5rem 1fr;gap:.5rem}
.sheet:not(.kept) td::before{content:attr(data-head);color:var(--soft);font-size:.8125rem;line-height:1.7}
.sheet:not(.kept) td>*{grid-column:2}
.sheet:not(.kept) .number{text-align:left}
.kept th,.kept td{padding-right:.5rem;font-size:.875rem}.kept .number+:not(.number){padding-left:.375rem}.kept tbody .below{display:block;margin:0}
}
`;

const PRINT = `
@page{margin:14mm}
@media print{
:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#333;--line:#999;--wash:#fff;--measured:#333;--assumed:#000;--assumed-ground:#fff;--own:#000;--own-ground:#fff;--good:#000;--bad:#000;--warn:#000;--dead:#fff;--link:#000}
html{font-size:8.5pt}
.screen,.minor{display:none}
.pictures{grid-template-columns:repeat(3,1fr);max-width:none;gap:1rem}figcaption{min-height:5.6em}.trends figcaption{min-height:0}.trends{grid-template-columns:repeat(3,1fr)}
thead,caption,.group{break-after:avoid}tbody tr:first-child{break-before:avoid}
.wide,main{max-width:none;padding:0}
header.verdict{background:none;color:#000;border:3pt solid #000;padding:12pt 14pt}
h1 .word{font-size:44pt}h1 .mark{width:44pt}h1 .title{font-size:17pt;margin-top:8pt}
h2{margin-top:18pt}h2,h3,.lead,.legend{break-after:avoid}
tr,figure,.figure,blockquote,pre,.group,.lead,.chart:not(.one){break-inside:avoid}
thead{display:table-header-group}
.figures{grid-template-columns:repeat(4,1fr);break-inside:avoid}.figure strong{font-size:16pt}.figure strong code{font-size:9pt}
.figure,.figure+.figure{padding:8pt 8pt 8pt 0;border:0}
details::details-content{content-visibility:visible;display:block;block-size:auto}
details>summary{list-style:none}
details.scenario{break-before:page;border:0}details.scenario>summary{display:none}
svg,rect,.fill{print-color-adjust:exact;-webkit-print-color-adjust:exact}
a{text-decoration:none}
}
`;

/** The page's whole style, light and dark, narrow and printed; its digest is in the page's content security policy. */
export const STYLE: string = (BASE + CHART_STYLE + PHONE + PRINT).trim();
