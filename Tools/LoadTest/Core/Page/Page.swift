extension Report {
  /// The report as one HTML page that needs nothing else: no network, no files. It is well-formed
  /// XML as well.
  package func page() -> String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <meta name="color-scheme" content="light dark"/>
    <title>\(name.escaped) – tinsmith-load</title>
    <style>\(PageStyle.css)</style>
    </head>
    <body>
    <main>
    \(header)
    \(cards)
    <section class="charts">
    \(Charts(self).html)
    </section>
    \(table)
    \(errors)
    \(plan(in: "Scenario"))
    </main>
    <div id="tip" hidden="hidden"></div>
    <script>\(PageStyle.script)</script>
    </body>
    </html>

    """
  }

  private var header: String {
    """
    <header><h1>\(name.escaped)</h1><p>\(started.escaped) · \(endpoint.escaped) · service \
    \(service.escaped) · \(Format.number(seconds)) s after \(Format.number(warmup)) s of warm-up · \
    seed \(seed)</p></header>
    """
  }

  private var cards: String {
    let total = total
    var cards: [(String, String)] = [
      ("requests", Format.count(total.requests)),
      ("per second", Format.number(total.throughput)),
    ]
    if total.tokensPerSecond > 0 {
      cards.append(("tokens per second", Format.number(total.tokensPerSecond)))
    }
    for name in ["p50", "p99", "p99.9", "max"] {
      cards.append((name, Format.milliseconds(total.latency[name])))
    }
    cards.append(("errors", Format.count(total.errors)))
    let items = cards.map { title, value in
      let isBad = title == "errors" && total.errors > 0
      return "<div class=\"card\(isBad ? " bad" : "")\"><b>\(value.escaped)</b>"
        + "<span>\(title)</span></div>"
    }
    return "<div class=\"cards\">\(items.joined())</div>"
  }

  private var table: String {
    let columns = ["mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max"]
    let head = (["", "requests", "errors", "per s", "tokens/s"] + columns)
      .map { "<th>\($0)</th>" }.joined()
    let rows = shownParts.map { part in
      let figures = part.figures
      let cells =
        [
          Format.count(figures.requests), Format.count(figures.errors),
          Format.number(figures.throughput),
          figures.tokensPerSecond == 0 ? "" : Format.number(figures.tokensPerSecond),
        ] + columns.map { Format.milliseconds(figures.latency[$0]) }
      let texts = cells.map { "<td>\($0.escaped)</td>" }.joined()
      return "<tr class=\"\(part.kind.escaped)\"><th>\(part.title.escaped)</th>\(texts)</tr>"
    }
    return """
      <section><h2>Figures</h2><div class="wide"><table><thead><tr>\(head)</tr></thead>\
      <tbody>\(rows.joined())</tbody></table></div></section>
      """
  }

  private var errors: String {
    let total = total
    var lines = total.errorsByCode.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "<tr><th>\($0.key.escaped)</th><td>\(Format.count($0.value))</td></tr>" }
    if total.cancelled > 0 {
      lines.append(
        "<tr><th>cancelled by the plan</th><td>\(Format.count(total.cancelled))</td></tr>")
    }
    guard !lines.isEmpty else { return "" }
    return "<section><h2>Errors by status</h2><table class=\"narrow\"><tbody>"
      + lines.joined() + "</tbody></table></section>"
  }

  private func plan(in title: String) -> String {
    let late =
      lag.isEmpty
      ? ""
      : "<p>The open loop sent late by \(Format.milliseconds(lag["p50"])) at the median, "
        + "\(Format.milliseconds(lag["p99"])) at p99, \(Format.milliseconds(lag["max"])) at most.</p>"
    return "<section><h2>\(title)</h2><pre>"
      + plan.joined(separator: "\n").escaped + "</pre>\(late)</section>"
  }
}
