// exp, log and tanh (rule e): no libm, whose code depends on the machine it runs on. Range
// reduction and minimax polynomials in the manner of Cephes; errors are below 2 units in the last
// place, measured by the tests over every exponent. Results below the smallest normal are 0.

/// e^x: x = n·ln 2 + r, |r| <= ln 2 / 2; e^r by polynomial; 2^n in two factors, for n = 128.
CK_INLINE v16 vexp(v16 x) {
  const v16 magic = vsplat(12582912.0f);  // 1.5·2^23: adding it rounds to an integer
  v16 t = vselect(x > vsplat(89.0f), vsplat(89.0f), x);
  t = vselect(t < vsplat(-88.0f), vsplat(-88.0f), t);
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
  i16 exponent = (i16)shifted - (i16)magic;
  i16 half = exponent >> 1;
  v16 first = (v16)((half + 127) << 23);
  v16 second = (v16)((exponent - half + 127) << 23);
  v16 y = p * first * second;
  y = vselect(x < vsplat(-87.3365448f), vsplat(0.0f), y);
  y = vselect(x > vsplat(88.7228394f), vsplat(__builtin_inff()), y);
  return vselect(x == x, y, x);
}

/// log x: x = 2^e·(1 + f), sqrt(½) <= 1 + f < sqrt(2).
CK_INLINE v16 vlog(v16 x) {
  i16 bits = (i16)x;
  // Adding the distance from sqrt(½) to 1 carries mantissas above sqrt(2) into the exponent.
  i16 lifted = bits + (0x3f800000 - 0x3f3504f3);
  i16 e = (lifted >> 23) - 127;
  v16 f = (v16)((lifted & 0x007fffff) + 0x3f3504f3) - vsplat(1.0f);
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
  i16 sign = (i16)x & (int32_t)0x80000000;
  v16 a = (v16)((i16)x ^ sign);
  v16 z = a * a;
  v16 p = vsplat(-5.70498872745e-3f);
  p = vfma(p, z, vsplat(2.06390887954e-2f));
  p = vfma(p, z, vsplat(-5.37397155531e-2f));
  p = vfma(p, z, vsplat(1.33314422036e-1f));
  p = vfma(p, z, vsplat(-3.33332819422e-1f));
  v16 small = vfma(p * z, a, a);
  v16 large = vsplat(1.0f) - vsplat(2.0f) / (vexp(a + a) + vsplat(1.0f));
  v16 y = vselect(a < vsplat(0.625f), small, large);
  y = (v16)((i16)y | sign);
  return vselect(x == x, y, x);
}

static float exp1(float x) { return vexp(vsplat(x))[0]; }
static float log1(float x) { return vlog(vsplat(x))[0]; }
static float tanh1(float x) { return vtanh(vsplat(x))[0]; }
