/** How pictures look: fills are patterns first and colours second. */
export const CHART_STYLE = `
.mark-ring{fill:none;stroke:currentColor;stroke-width:4.5}
.mark-line{fill:none;stroke:currentColor;stroke-width:6.5;stroke-linecap:round;stroke-linejoin:round}
:is(.what,.verdict-cell)>.mark.passed{color:var(--good)}:is(.what,.verdict-cell)>.mark.failed{color:var(--bad)}:is(.what,.verdict-cell)>.mark.missed-budget{color:var(--warn)}
svg{display:block;max-width:100%}
.mark{display:inline-block}
.hatch-ground{fill:var(--assumed-ground)}.hatch-line{fill:var(--assumed)}
.dots-ground{fill:var(--own-ground)}.dots-dot{fill:var(--own)}
.cross-ground{fill:var(--dead)}.cross-line{stroke:var(--bad);stroke-width:1.3}
.faint-line{fill:var(--line)}
.fill{stroke-width:1.25;stroke:var(--ink)}
.measured,.recovery{fill:var(--measured);stroke:var(--measured)}
.assumed{fill:url(#hatch);stroke:var(--assumed)}
.own{fill:url(#dots);stroke:var(--own)}
.disaster,.failed.fill,.over{fill:url(#cross);stroke:var(--bad)}
.given{fill:url(#faint);stroke:var(--soft)}
.judgement,.looked{fill:var(--paper);stroke:var(--measured)}
.whole{fill:var(--ink);stroke:var(--ink)}
.trough{fill:var(--wash);stroke:var(--line)}
.grid{stroke:var(--line)}
.budget{stroke:var(--bad);stroke-width:2;stroke-dasharray:4 3}
.tick{font-size:11px;font-weight:400;fill:var(--soft)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0;margin:.75rem 0;font-size:.875rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.chart th,.chart td{padding-block:.25rem;border-bottom:0;vertical-align:middle}
.chart .what{width:33%}.chart td.picture{position:relative;padding:0}.chart th.picture{padding-right:0}.bar{position:absolute;inset:0}.chart .number{padding-left:.875rem}
.chart thead th{vertical-align:bottom;border:0}
.chart .total th,.chart .total td{border-top:1.5px solid var(--ink);font-weight:700}
.chart .group th{padding-block:1.25rem .25rem}
.chart .number{width:6.25rem;font-size:.875rem}
.pictures{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:1.5rem;margin-top:1rem}
figure{margin:0}
figcaption{font-size:.875rem;line-height:1.4;margin-bottom:.75rem;min-height:4.2em}
.cluster{width:100%;height:auto;overflow:visible}
.cluster text{fill:var(--ink);font-family:inherit}
.cluster .name{font-size:13px;font-weight:700}.cluster .small{font-size:11px}.cluster .tiny{font-size:9.5px;fill:var(--soft)}.cluster .strong{font-weight:600}
.cluster .state{font-size:15px;font-weight:700}
.box{fill:var(--paper);stroke:var(--ink);stroke-width:1.5}
.box.solid{fill:var(--wash)}
.box.not-ready,.box.damaged{stroke:var(--warn);stroke-dasharray:7 4;stroke-width:2}
.box.down,.box.gone{fill:var(--dead);stroke:var(--bad);stroke-dasharray:2 4;stroke-width:2.5}
.box.new{stroke-width:2}.inner{fill:none;stroke:var(--ink)}
.cable{stroke:var(--soft);stroke-width:2}.cable.dead{stroke-dasharray:2 4}
.plug{fill:var(--soft)}
.drum{fill:none;stroke:var(--ink);stroke-width:1.25}
.trends{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:1.5rem}
.trends figcaption{min-height:0;margin-bottom:.25rem}
.spark-wide{max-width:34rem}
.ground{stroke:var(--line)}.trace{stroke:var(--measured);stroke-width:1.5}
.dot{fill:var(--measured);stroke:var(--measured);stroke-width:2}.dot.missed{fill:var(--paper);stroke:var(--warn)}.dot-cross{stroke:var(--bad);stroke-width:2.25}
.overview td{min-width:8.5rem}.overview .below{display:inline}.overview th .below{display:block}.overview td .gauge{max-width:14rem}
@media (max-width:60rem){.pictures{grid-template-columns:1fr;max-width:26rem}figcaption{min-height:0}}
@media (max-width:44rem){
.minor{display:none}
.chart,.chart :is(thead,tbody){display:block}
.chart tr{display:grid;grid-template-columns:1fr auto auto;column-gap:.75rem;padding-block:.25rem}
.chart.one tr{grid-template-columns:1fr auto}
.chart :is(th,td){display:block;padding:0}
.chart .what{width:auto;grid-row:1;grid-column:1}.chart .number{width:auto;min-width:4.5rem;grid-row:1}
.chart .picture{grid-column:1/-1;grid-row:2}.chart td.picture{height:22px;margin-top:.125rem}
.chart .group th{grid-column:1/-1}
}
`;
