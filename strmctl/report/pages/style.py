"""The style sheet of the report's page: phone, desk and paper, light and dark."""

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --back: #fff; --line: #d0d7de; --head: #f3f5f7;
  --paper: #fdf3d8; --tag: #7a4d00; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --soft: #a2abb6; --back: #14171b; --line: #39414a;
  --head: #1f242a; --paper: #37301c; --tag: #f0c35a; --link: #8ab4f8; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 78rem; color: var(--text);
  background: var(--back); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0 0 .25rem; font-size: 1.8rem; line-height: 1.2; }
h2 { margin: 3rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.35rem; }
h3 { margin: 1.75rem 0 .5rem; font-size: 1.05rem; }
a { color: var(--link); }
p, li { max-width: 75ch; }
.soft, .caption { color: var(--soft); font-size: .875rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.findings li { margin: .4rem 0; }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: 6px;
  background: #fff; }
.box { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; overflow-wrap: normal; }
.box:focus-visible { outline: 2px solid var(--link); }
table { width: 100%; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { min-width: 5.5rem; background: var(--head); vertical-align: bottom; white-space: normal; }
tbody tr:last-child > * { border-bottom: 0; }
th.words, td.words { text-align: left; }
tbody th { position: sticky; left: 0; background: var(--back); font-weight: 600; }
tr.each > * { color: var(--soft); font-size: .8125rem; }
th.published, td.published { border-left: 1px dashed var(--tag); background: var(--paper); font-style: italic; }
.tag { display: block; color: var(--tag); font-size: .6875rem; letter-spacing: .05em; text-transform: uppercase; }
pre { margin: .25rem 0 1rem; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--head); font-size: .8125rem; white-space: pre-wrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; font-size: .875rem; }
dt { color: var(--soft); }
dd { margin: 0; }
@media (max-width: 40rem) { tbody th { position: static; } th, td { padding: .3rem .5rem; } }
@media (min-width: 100rem) { body { max-width: 120rem; }
  .beside { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 2rem; align-items: start; }
  .beside h3:first-child { margin-top: 0; } }
@media print { :root { color-scheme: light; --text: #000; --soft: #333; --back: #fff; --line: #999; --head: #eee;
  --paper: #f6eed6; --tag: #5a3900; --link: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav, .files { display: none; }
  .box { overflow: visible; border: 0; } table { font-size: 7.5pt; } th, td { padding: 2pt 3pt; white-space: normal; }
  tbody th { position: static; } figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""
