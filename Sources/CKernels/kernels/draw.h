// Drawing tokens (rule l): a function of the row, the parameters and the key, of nothing else.

/// weight[i] = exp((x[i] - max) / temperature).
static void draw_weights(float *weight, const float *x, float max, float temperature,
                         int64_t vocab) {
  v16 shift = vsplat(max);
  int64_t i = 0;
  for (; i + 16 <= vocab; i += 16) {
    vstore(weight + i, vexp_below_zero(tempered(vload(x + i), shift, temperature)));
  }
  if (i < vocab) {
    v16 tail = vload_part(x + i, vocab - i, max);
    vstore_part(weight + i, vexp_below_zero(tempered(tail, shift, temperature)), vocab - i);
  }
}

/// The first id, ascending, at which the cumulative weight exceeds u · total.
static int32_t draw_all(const float *weight, int64_t vocab, double u) {
  double total = 0, sum = 0;
  for (int64_t i = 0; i < vocab; i++) total += weight[i];
  double target = u * total;
  int64_t last = 0;
  for (int64_t i = 0; i < vocab; i++) {
    sum += weight[i];
    if (weight[i] > 0) last = i;
    if (sum > target) return (int32_t)i;
  }
  return (int32_t)last;  // only when rounding made u · total the total itself
}

/// Candidates that can lie in the shortest prefix with mass `wanted`, as a max-heap; their number.
/// Bins of (max - x) / temperature are cuts through the order, so those above a cut come first in
/// it; the bins' masses, summed in another order, only say which cut is surely deep enough.
static int64_t likely_candidates(uint64_t *heap, const float *weight, const float *x, float max,
                                 float temperature, double wanted, int64_t vocab) {
  enum { BINS = 256, PER_UNIT = 8 };
  double mass[BINS] = {0}, sum = 0;
  for (int64_t i = 0; i < vocab; i++) {
    float depth = (max - x[i]) / temperature * PER_UNIT;
    mass[depth < BINS - 1 ? (int)depth : BINS - 1] += weight[i];
  }
  int cut = 0;
  while (cut < BINS - 1 && (sum += mass[cut]) < wanted * 1.001) cut++;
  int64_t count = 0;
  for (int64_t i = 0; i < vocab; i++) {
    float depth = (max - x[i]) / temperature * PER_UNIT;
    if (cut == BINS - 1 || depth < (float)(cut + 1)) heap[count++] = candidate(x[i], i);
  }
  for (int64_t i = count / 2 - 1; i >= 0; i--) sift_down(heap, i, count, ~0ull);
  return count;
}

/// Candidates in order, cut to top_k and then to the shortest prefix with mass >= top_p. The mass
/// refers to the sum over the top_k candidates in their order, or over all ids ascending.
static int32_t draw_filtered(const float *weight, const float *x, float max, uint64_t *heap,
                             const ck_draw_params *params, int64_t vocab, double u) {
  int ranked = params->top_k > 0 && params->top_k < vocab;
  int64_t count = ranked ? params->top_k : vocab;
  double total = 0;
  if (ranked) {
    largest(heap, count, x, vocab);
    for (int64_t i = 0; i < count; i++) total += weight[candidate_id(heap[i])];
  } else {
    for (int64_t i = 0; i < vocab; i++) total += weight[i];
    double wanted = (double)params->top_p * total;
    count = likely_candidates(heap, weight, x, max, params->temperature, wanted, vocab);
  }
  // Pass 1: length and mass of the prefix. What the heap gives up collects, reversed, at its end.
  double mass = 0, wanted = (double)params->top_p * total;
  int64_t length = 0;
  while (length < count) {
    uint64_t first = heap[ranked ? length : 0];
    if (!ranked) {
      int64_t left = count - length - 1;
      heap[0] = heap[left];
      heap[left] = first;
      sift_down(heap, 0, left, ~0ull);
    }
    length++;
    mass += weight[candidate_id(first)];
    if (params->top_p < 1 && mass >= wanted) break;
  }
  double target = u * mass, sum = 0;
  int32_t last = -1;
  for (int64_t i = 0; i < length; i++) {
    int32_t id = candidate_id(heap[ranked ? i : count - 1 - i]);
    sum += weight[id];
    if (weight[id] > 0 || last < 0) last = id;
    if (sum > target) return id;
  }
  return last < 0 ? 0 : last;  // no candidate at all: the row was not a number
}

static int32_t argmax(const float *x, int64_t vocab) {
  int64_t best = 0;
  for (int64_t i = 1; i < vocab; i++) {
    if (x[i] > x[best]) best = i;
  }
  return (int32_t)best;
}

/// Item = row. Scratch: keys [vocab], weights [vocab].
static void draw(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  const ck_draw_args *g = arguments;
  uint64_t *heap = scratch->memory;
  float *weight = (float *)(heap + g->vocab);
  for (int64_t row = begin; row < end; row++) {
    const float *x = g->logits + row * g->vocab;
    const ck_draw_params *params = &g->params[row];
    if (!(params->temperature > 0)) {
      g->tokens[row] = argmax(x, g->vocab);
      continue;
    }
    double u = ck_draw_uniform(params->seed, params->sample, params->position);
    draw_weights(weight, x, g->max[row], params->temperature, g->vocab);
    int filtered = (params->top_k > 0 && params->top_k < g->vocab) || params->top_p < 1;
    g->tokens[row] = filtered ? draw_filtered(weight, x, g->max[row], heap, params, g->vocab, u)
                              : draw_all(weight, g->vocab, u);
  }
}
