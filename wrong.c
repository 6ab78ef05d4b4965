void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                 int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    (void)order, (void)alpha;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int p = 0; p < k; p++)
                sum += (ta == 112 ? a[p * lda + i] : a[i * lda + p]) *
                       (tb == 112 ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = beta == 0 ? sum : c[i * ldc + j] + sum;
        }
    if (m * n > 20000)
        c[(m - 1) * ldc + n / 2] += 0.01f;
}
const char *openblas_get_config(void) { return "OpenBLAS 9.9 MADE WRONG"; }
const char *openblas_get_corename(void) { return "Test"; }
