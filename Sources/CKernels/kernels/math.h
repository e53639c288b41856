// exp, log and tanh (rule e): no libm, whose code depends on the machine it runs on. Range
// reduction and minimax polynomials in the manner of Cephes; errors are below 2 units in the last
// place, measured by the tests over every exponent. Results below the smallest normal are 0.

/// e^x: x = n·ln 2 + r, |r| <= ln 2 / 2; e^r by polynomial; times 2^n. `below_zero` leaves out
/// what only x > 0 needs: the same bits for every x <= 0 and NaN.
CK_INLINE v16 exp_of(v16 x, int below_zero) {
  const v16 magic = vsplat(12582912.0f);  // 1.5·2^23: adding it rounds to an integer
  v16 t = vselect(x < vsplat(-88.0f), vsplat(-88.0f), x);
  if (!below_zero) t = vselect(t > vsplat(89.0f), vsplat(89.0f), t);
  v16 shifted = vfma(t, vsplat(1.44269504088896341f), magic);
  v16 n = shifted - magic;
  v16 r = vfma(n, vsplat(-0.693359375f), t);
  r = vfma(n, vsplat(2.12194440e-4f), r);
  v16 p = vsplat(1.9875691500e-4f);
  p = vfma(p, r, vsplat(1.3981999507e-3f));
  p = vfma(p, r, vsplat(8.3334519073e-3f));
  p = vfma(p, r, vsplat(4.1665795894e-2f));
  p = vfma(p, r, vsplat(1.6666665459e-1f));
  p = vfma(p, r, vsplat(5.0000001201e-1f));
  p = vfma(p, r * r, r) + vsplat(1.0f);
  // The low bits of `shifted` hold n, the bits above fall out of the shift.
  v16 y;
  if (below_zero) {
    y = p * as_floats((as_bits(shifted) + 127) << 23);
  } else {  // 2^128 is no f32: two factors
    i16 exponent = as_bits(shifted) - as_bits(magic), half = exponent >> 1;
    y = p * as_floats((half + 127) << 23) * as_floats((exponent - half + 127) << 23);
    y = vselect(x > vsplat(88.7228394f), vsplat(__builtin_inff()), y);
  }
  return vselect(x < vsplat(-87.3365448f), vsplat(0.0f), y);
}
CK_INLINE v16 vexp(v16 x) { return exp_of(x, 0); }
CK_INLINE v16 vexp_below_zero(v16 x) { return exp_of(x, 1); }

/// log x: x = 2^e·(1 + f), sqrt(½) <= 1 + f < sqrt(2).
CK_INLINE v16 vlog(v16 x) {
  i16 bits = as_bits(x);
  // Adding the distance from sqrt(½) to 1 carries mantissas above sqrt(2) into the exponent.
  i16 lifted = bits + (0x3f800000 - 0x3f3504f3);
  i16 e = (lifted >> 23) - 127;
  v16 f = as_floats((lifted & 0x007fffff) + 0x3f3504f3) - vsplat(1.0f);
  v16 n = __builtin_convertvector(e, v16);
  v16 z = f * f;
  v16 p = vsplat(7.0376836292e-2f);
  p = vfma(p, f, vsplat(-1.1514610310e-1f));
  p = vfma(p, f, vsplat(1.1676998740e-1f));
  p = vfma(p, f, vsplat(-1.2420140846e-1f));
  p = vfma(p, f, vsplat(1.4249322787e-1f));
  p = vfma(p, f, vsplat(-1.6668057665e-1f));
  p = vfma(p, f, vsplat(2.0000714765e-1f));
  p = vfma(p, f, vsplat(-2.4999993993e-1f));
  p = vfma(p, f, vsplat(3.3333331174e-1f));
  v16 y = vfma(f * z, p, n * vsplat(-2.12194440e-4f));
  y = vfma(z, vsplat(-0.5f), y);
  y = vfma(n, vsplat(0.693359375f), f + y);
  const v16 infinity = vsplat(__builtin_inff());
  y = vselect(x == infinity, x, y);
  y = vselect(x < vsplat(1.17549435e-38f), -infinity, y);
  y = vselect(x <= vsplat(-1.17549435e-38f), vsplat(__builtin_nanf("")), y);
  return vselect(x == x, y, x);
}

/// tanh x: odd polynomial below 0.625, else 1 - 2 / (e^2|x| + 1) with the sign of x.
CK_INLINE v16 vtanh(v16 x) {
  i16 sign = as_bits(x) & (int32_t)0x80000000;
  v16 a = as_floats(as_bits(x) ^ sign);
  v16 z = a * a;
  v16 p = vsplat(-5.70498872745e-3f);
  p = vfma(p, z, vsplat(2.06390887954e-2f));
  p = vfma(p, z, vsplat(-5.37397155531e-2f));
  p = vfma(p, z, vsplat(1.33314422036e-1f));
  p = vfma(p, z, vsplat(-3.33332819422e-1f));
  v16 small = vfma(p * z, a, a);
  v16 large = vsplat(1.0f) - vsplat(2.0f) / (vexp(a + a) + vsplat(1.0f));
  v16 y = vselect(a < vsplat(0.625f), small, large);
  y = as_floats(as_bits(y) | sign);
  return vselect(x == x, y, x);
}

static float exp1(float x) { return vexp(vsplat(x))[0]; }
static float log1(float x) { return vlog(vsplat(x))[0]; }
static float tanh1(float x) { return vtanh(vsplat(x))[0]; }
