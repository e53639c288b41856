/// What the page looks like, and what moves on it.
enum PageStyle {
  static let css = """
    :root{--bg:#f6f7f9;--card:#fff;--ink:#1b1f27;--soft:#667085;--line:#e4e7ec;--bad:#c4320a;
    --c0:#344054;--c1:#2f6fed;--c2:#0b9a8d;--c3:#d9760a;--c4:#9b51e0;--c5:#7aa7ff;--c6:#5fd0c5;
    --c7:#e5484d}
    @media (prefers-color-scheme:dark){:root{--bg:#0f1218;--card:#171b23;--ink:#e7eaf0;
    --soft:#96a0b3;--line:#2a303c;--bad:#ff8a65;--c0:#cdd5e1;--c1:#6ea0ff;--c2:#41c9bb;
    --c3:#f2a33c;--c4:#c08bff;--c5:#3f66b8;--c6:#2a7f77;--c7:#ff6b6e}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--bg);color:var(--ink);
    font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
    main{max-width:1240px;margin:0 auto;padding:28px 20px 60px}
    h1{margin:0;font-size:26px}h2{font-size:17px;margin:32px 0 10px}
    header p{margin:2px 0 0;color:var(--soft)}
    .cards{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0}
    .card{flex:1 1 120px;background:var(--card);border:1px solid var(--line);border-radius:10px;
    padding:12px 16px}.card b{display:block;font-size:21px;font-variant-numeric:tabular-nums}
    .card span{color:var(--soft);font-size:13px}.card.bad b{color:var(--bad)}
    .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:14px}
    figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;
    padding:14px 16px;display:flex;flex-direction:column}
    figcaption{font-weight:600;margin-bottom:4px}
    figure svg{width:100%;height:auto;margin-top:auto}
    .legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:12.5px;color:var(--soft);
    margin-bottom:6px}.legend i{display:inline-block;width:14px;height:3px;border-radius:2px;
    margin-right:5px;vertical-align:middle}
    svg text{font-size:13px;fill:var(--soft);font-variant-numeric:tabular-nums}
    svg text.y{text-anchor:end;dominant-baseline:middle}svg text.x{text-anchor:middle}
    svg .grid{stroke:var(--line)}svg .cursor{stroke:var(--soft);stroke-dasharray:3 3}
    polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}
    polyline.dashed{stroke-dasharray:5 4}.legend i.pale{opacity:.5}
    .l0{stroke:var(--c0)}.l1{stroke:var(--c1)}.l2{stroke:var(--c2)}.l3{stroke:var(--c3)}
    .l4{stroke:var(--c4)}.l5{stroke:var(--c5)}.l6{stroke:var(--c6)}.l7{stroke:var(--c7)}
    .c0{background:var(--c0)}.c1{background:var(--c1)}.c2{background:var(--c2)}
    .c3{background:var(--c3)}.c4{background:var(--c4)}.c5{background:var(--c5)}
    .c6{background:var(--c6)}.c7{background:var(--c7)}
    .wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
    table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
    table.narrow{width:auto;background:var(--card);border:1px solid var(--line)}
    td,th{padding:6px 8px;text-align:right;white-space:nowrap;
    border-bottom:1px solid var(--line)}th:first-child{text-align:left}
    thead th{color:var(--soft);font-weight:500}tbody tr:last-child>*{border-bottom:0}
    tbody th{font-weight:500}td:first-child,th:first-child{padding-left:14px}
    td:last-child,th:last-child{padding-right:14px}tr.total>*{font-weight:650}
    pre{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px;
    overflow-x:auto;font-size:13px;white-space:pre-wrap;margin:0}
    .none{color:var(--soft)}
    #tip{position:fixed;pointer-events:none;background:var(--ink);color:var(--bg);
    padding:6px 10px;border-radius:7px;font-size:12.5px;line-height:1.45;white-space:pre;
    font-variant-numeric:tabular-nums;z-index:9}
    """

  /// Shows the values under the pointer. Without `<` and `&`, so that the page stays XML.
  static let script = """
    const tip=document.getElementById('tip');
    document.querySelectorAll('svg[data-chart]').forEach(svg=>{
      const points=svg.dataset.chart.split('|').map(item=>{
        const parts=item.split('~');
        return {x:parseFloat(parts[0]),lines:parts.slice(1)};
      });
      const cursor=svg.querySelector('.cursor');
      svg.addEventListener('pointermove',event=>{
        const box=svg.getBoundingClientRect();
        const x=(event.clientX-box.left)*760/box.width;
        const near=points.reduce((a,b)=>Math.abs(b.x-x)>Math.abs(a.x-x)?a:b);
        cursor.setAttribute('x1',near.x);cursor.setAttribute('x2',near.x);
        cursor.setAttribute('visibility','visible');
        tip.textContent=near.lines.join('\\n');
        tip.hidden=false;
        const right=event.clientX+16+tip.offsetWidth>innerWidth;
        tip.style.left=(right?event.clientX-16-tip.offsetWidth:event.clientX+16)+'px';
        tip.style.top=(event.clientY+14)+'px';
      });
      svg.addEventListener('pointerleave',()=>{
        tip.hidden=true;cursor.setAttribute('visibility','hidden');
      });
    });
    """
}
