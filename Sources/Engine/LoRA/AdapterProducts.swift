/// u = scale · x·Aᵀ of one segment of rows, kept for the adapter's gradient.
struct AdapterProduct {
  let adapter: Adapter
  let rows: Range<Int>
  let u: Rows
}

/// u of every segment that has an adapter at `site`.
func adapterProducts(
  _ x: Rows, segments: [Segment], site: AdapterSite, kernels: Kernels, arena: Arena
) throws(EngineError) -> [AdapterProduct] {
  var products: [AdapterProduct] = []
  for segment in segments {
    guard let adapter = segment.adapter, let factors = adapter.factors(at: site) else { continue }
    let u = try arena.rows(segment.rows.count, factors.rank)
    kernels.linear(u, x.slice(segment.rows), factors.packedA, accumulate: false)
    kernels.scale(u, by: adapter.scale)
    products.append(AdapterProduct(adapter: adapter, rows: segment.rows, u: u))
  }
  return products
}

/// y += u·Bᵀ: the chain of each element of y continues over the rank (numerics rule g).
func addAdapterProducts(
  _ products: [AdapterProduct], to y: Rows, site: AdapterSite, kernels: Kernels
) {
  for product in products {
    guard let factors = product.adapter.factors(at: site) else { continue }
    kernels.linear(y.slice(product.rows), product.u, factors.packedB, accumulate: true)
  }
}

/// dB += dyᵀ·u and dA += duᵀ·x with du = scale · dy·B; dx continues its chain over du·A.
func adapterBackward(
  _ products: some Collection<AdapterProduct>, site: AdapterSite, x: Rows, dy: Rows, dx: Rows?,
  kernels: Kernels, arena: Arena
) throws(EngineError) {
  let mark = arena.mark
  for product in products {
    guard let factors = product.adapter.factors(at: site) else { continue }
    let dySegment = dy.slice(product.rows)
    let du = try arena.rows(product.rows.count, factors.rank)
    kernels.linearBackward(du, dySegment, factors.packedB, accumulate: false)
    kernels.scale(du, by: product.adapter.scale)
    kernels.outerAdd(product.adapter.gradientB(site.index), dySegment, product.u)
    kernels.outerAdd(product.adapter.gradientA(site.index), du, x.slice(product.rows))
    if let dx {
      kernels.linearBackward(dx.slice(product.rows), du, factors.packedA, accumulate: true)
    }
  }
  arena.reset(to: mark)
}
