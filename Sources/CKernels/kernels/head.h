// The output head: log-probs of whole logits rows (rule d).

/// What the logits of a row are divided by. Greedy decoding (temperature 0) draws from no
/// distribution; log-probs are the model's own then.
CK_INLINE float temperature_of(const float *temperatures, int64_t row) {
  return temperatures && temperatures[row] > 0 ? temperatures[row] : 1;
}

/// (x - max) / temperature. Dividing by 1 moves no bit, and is left out of what training does.
CK_INLINE v16 tempered(v16 x, v16 max, float temperature) {
  v16 depth = x - max;
  return temperature == 1 ? depth : depth / vsplat(temperature);
}

/// Item = row.
static void softmax_stats(const void *arguments, int64_t begin, int64_t end,
                          const ck_scratch *scratch) {
  (void)scratch;
  const ck_stats_args *g = arguments;
  const float lowest = -__builtin_inff();
  for (int64_t row = begin; row < end; row++) {
    const float *x = g->logits + row * g->vocab;
    float temperature = temperature_of(g->temperatures, row);
    v16 m = vsplat(lowest), sum = vsplat(0);
    int64_t i = 0;
    for (; i + 16 <= g->vocab; i += 16) m = vmax(vload(x + i), m);
    if (i < g->vocab) m = vmax(vload_part(x + i, g->vocab - i, lowest), m);
    float top = vmax_lanes(m);
    v16 shift = vsplat(top);
    for (i = 0; i + 16 <= g->vocab; i += 16) {
      sum = sum + vexp_below_zero(tempered(vload(x + i), shift, temperature));
    }
    // exp(-inf) = 0 leaves the lanes beyond the row as they are.
    if (i < g->vocab) {
      v16 tail = vload_part(x + i, g->vocab - i, lowest);
      sum = sum + vexp_below_zero(tempered(tail, shift, temperature));
    }
    g->max[row] = top;
    g->sum[row] = vsum(sum);
  }
}

/// A target outside the vocabulary has log-prob NaN and no gradient; no other memory is read.
static void logprobs(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_logprobs_args *g = arguments;
  for (int64_t row = begin; row < end; row++) {
    float log_sum = log1(g->sum[row]), temperature = temperature_of(g->temperatures, row);
    for (int64_t j = 0; j < g->k; j++) {
      int64_t target = g->targets[row * g->k + j];
      g->logprobs[row * g->k + j] =
          target >= 0 && target < g->vocab
              ? (g->logits[row * g->vocab + target] - g->max[row]) / temperature - log_sum
              : __builtin_nanf("");
    }
  }
}

static void logprobs_backward(const void *arguments, int64_t begin, int64_t end,
                              const ck_scratch *scratch) {
  (void)scratch;
  const ck_logprobs_args *g = arguments;
  for (int64_t row = begin; row < end; row++) {
    float *x = g->logits + row * g->vocab;
    const float *dp = g->dp + row * g->k;
    const int32_t *targets = g->targets + row * g->k;
    float total = 0;
    for (int64_t j = 0; j < g->k; j++) {
      if (targets[j] >= 0 && targets[j] < g->vocab) total += dp[j];
    }
    if (total == 0) {  // also spares the exponentials of rows without a gradient
      memset(x, 0, g->vocab * 4);
    } else {
      v16 shift = vsplat(g->max[row]), factor = vsplat(-(total / g->sum[row]));
      int64_t i = 0;
      for (; i + 16 <= g->vocab; i += 16) {
        vstore(x + i, factor * vexp_below_zero(vload(x + i) - shift));
      }
      if (i < g->vocab) {
        v16 tail = vload_part(x + i, g->vocab - i, 0);
        vstore_part(x + i, factor * vexp_below_zero(tail - shift), g->vocab - i);
      }
    }
    for (int64_t j = 0; j < g->k; j++) {
      if (targets[j] >= 0 && targets[j] < g->vocab) x[targets[j]] += dp[j];
    }
  }
}

/// A key whose unsigned order is (logit ascending, id descending): the largest key is the first
/// candidate. -0 counts as +0, so that ties go to the lowest id; NaN comes last.
CK_INLINE uint64_t candidate(float logit, int64_t id) {
  uint32_t bits;
  logit += 0.0f;
  memcpy(&bits, &logit, 4);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  if (logit != logit) bits = 0;
  return (uint64_t)bits << 32 | (uint32_t)~(uint32_t)id;
}
CK_INLINE int32_t candidate_id(uint64_t key) { return (int32_t)~(uint32_t)key; }

/// Restores the heap order below `at`; `sign` all ones turns the min-heap into a max-heap.
CK_INLINE void sift_down(uint64_t *heap, int64_t at, int64_t count, uint64_t sign) {
  uint64_t key = heap[at];
  for (int64_t child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && (heap[child + 1] ^ sign) < (heap[child] ^ sign)) child++;
    if ((key ^ sign) <= (heap[child] ^ sign)) break;
    heap[at] = heap[child];
  }
  heap[at] = key;
}

/// The k largest candidates of a row in heap[0..<k], in descending order.
static void largest(uint64_t *heap, int64_t k, const float *x, int64_t vocab) {
  for (int64_t i = 0; i < k; i++) heap[i] = candidate(x[i], i);
  for (int64_t i = k / 2 - 1; i >= 0; i--) sift_down(heap, i, k, 0);
  for (int64_t i = k; i < vocab; i++) {
    uint64_t key = candidate(x[i], i);
    if (key > heap[0]) {
      heap[0] = key;
      sift_down(heap, 0, k, 0);
    }
  }
  for (int64_t left = k - 1; left > 0; left--) {  // heap sort: the smallest goes to the end
    uint64_t smallest = heap[0];
    heap[0] = heap[left];
    heap[left] = smallest;
    sift_down(heap, 0, left, 0);
  }
}

static void topk(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  const ck_logprobs_args *g = arguments;
  uint64_t *heap = scratch->memory;
  for (int64_t row = begin; row < end; row++) {
    const float *x = g->logits + row * g->vocab;
    float log_sum = log1(g->sum[row]), temperature = temperature_of(g->temperatures, row);
    largest(heap, g->k, x, g->vocab);
    for (int64_t j = 0; j < g->k; j++) {
      int32_t id = candidate_id(heap[j]);
      g->ids[row * g->k + j] = id;
      g->logprobs[row * g->k + j] = (x[id] - g->max[row]) / temperature - log_sum;
    }
  }
}
