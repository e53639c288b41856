import CKernels

/// u = scale · x·Aᵀ of one segment of rows, kept for the adapter's gradient.
struct AdapterProduct {
  let adapter: Adapter
  let factors: AdapterFactors
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
    products.append(
      AdapterProduct(adapter: adapter, factors: factors, rows: segment.rows, u: u))
  }
  if products.isEmpty { return [] }
  kernels.linear(
    products.map { LinearProduct(y: $0.u, x: x.slice($0.rows), w: $0.factors.packedA) },
    accumulate: false)
  for product in products { kernels.scale(product.u, by: product.factors.scale) }
  return products
}

/// y += u·Bᵀ: the chain of each element of y continues over the rank (numerics rule g).
func addAdapterProducts(_ products: [AdapterProduct], to y: Rows, kernels: Kernels) {
  kernels.linear(
    products.map { LinearProduct(y: y.slice($0.rows), x: $0.u, w: $0.factors.packedB) },
    accumulate: true)
}

/// dB += dyᵀ·u and dA += duᵀ·x (stored, the first time in a request) with du = scale · dy·B; dx
/// continues its chain over du·A.
func adapterBackward(
  _ products: some Collection<AdapterProduct>, site: AdapterSite, x: Rows, dy: Rows, dx: Rows?,
  kernels: Kernels, arena: Arena
) throws(EngineError) {
  let mark = arena.mark
  var gradients: [Rows] = []
  for product in products {
    gradients.append(try arena.rows(product.rows.count, product.factors.rank))
  }
  let pairs = Array(zip(products, gradients))
  kernels.linearBackward(
    pairs.map { LinearProduct(y: $1, x: dy.slice($0.rows), w: $0.factors.packedB) },
    accumulate: false)
  for (product, du) in pairs { kernels.scale(du, by: product.factors.scale) }
  let updates = pairs.map { product, du in
    product.adapter.gradientUpdates(
      product.factors.tensor, b: (dy.slice(product.rows), product.u),
      a: (du, x.slice(product.rows)))
  }
  if Set(products.map { ObjectIdentifier($0.adapter) }).count == pairs.count {
    kernels.outerAdd(updates.flatMap(\.self))
  } else {
    // Rows of one adapter in several segments add to one gradient, in order.
    for update in updates { kernels.outerAdd(update) }
  }
  if let dx {
    kernels.linearBackward(
      pairs.map { LinearProduct(y: dx.slice($0.rows), x: $1, w: $0.factors.packedA) },
      accumulate: true)
  }
  arena.reset(to: mark)
}
