/* The multilayer perceptron in plain C, compiled by the system's compiler for `scratch-c`.
 *
 * The loops are those of the equations in docs/derivation.md; the compiler vectorises the innermost ones. REAL is float
 * or double. Shapes: B examples in a batch, I units below a layer, J units in it. Matrices are stored row by row. The
 * weights of all layers lie one after the other, each layer's W [I, J] before its b [J]; so do gradients and the state of
 * the optimizer.
 */

#include <stdint.h>
#include <string.h>
#include <tgmath.h>
#undef I /* <complex.h> has it for the imaginary unit */

typedef REAL real;

enum { SIGMOID, TANH, RELU, IDENTITY, SOFTMAX };
enum { SGD, MOMENTUM, RMSPROP, ADAM };

typedef struct {
    int64_t n_layers;     /* of weights */
    const int64_t *sizes; /* units, inputs first [n_layers + 1] */
    int64_t hidden, output, squared_error, mean, bias;
    int64_t optimizer, batch_size;
    double learning_rate, momentum, decay1, decay2, epsilon, weight_decay;
} Recipe;

typedef struct {
    real *w, *dw, *first, *second; /* weights, gradient, state of the optimizer */
    real **y, **dz;                /* by layer [B, J]; y[0] are the inputs */
    real *t;                       /* targets [B, C] */
} Network;

/* z = y W + b (1) */
static void forward_layer(int64_t B, int64_t I, int64_t J, const real *restrict y, const real *restrict W,
                          const real *restrict b, real *restrict z) {
    for (int64_t n = 0; n < B; n++) {
        for (int64_t j = 0; j < J; j++) z[n * J + j] = b ? b[j] : 0;
        for (int64_t i = 0; i < I; i++)
            for (int64_t j = 0; j < J; j++) z[n * J + j] += y[n * I + i] * W[i * J + j];
    }
}

/* dE/dW = yT dz, dE/db = sum of dz (6) */
static void gradient_layer(int64_t B, int64_t I, int64_t J, const real *restrict y, const real *restrict dz,
                           real *restrict dW, real *restrict db) {
    memset(dW, 0, I * J * sizeof(real));
    for (int64_t n = 0; n < B; n++)
        for (int64_t i = 0; i < I; i++)
            for (int64_t j = 0; j < J; j++) dW[i * J + j] += y[n * I + i] * dz[n * J + j];
    if (!db) return;
    memset(db, 0, J * sizeof(real));
    for (int64_t n = 0; n < B; n++)
        for (int64_t j = 0; j < J; j++) db[j] += dz[n * J + j];
}

/* dE/dy = dz WT (7) */
static void backward_layer(int64_t B, int64_t I, int64_t J, const real *restrict dz, const real *restrict W,
                           real *restrict dy) {
    for (int64_t n = 0; n < B; n++)
        for (int64_t i = 0; i < I; i++) {
            real total = 0;
            for (int64_t j = 0; j < J; j++) total += dz[n * J + j] * W[i * J + j];
            dy[n * I + i] = total;
        }
}

static void activate(int64_t kind, int64_t n, real *z) {
    if (kind == SIGMOID)
        for (int64_t k = 0; k < n; k++) z[k] = 1 / (1 + exp(-z[k]));
    if (kind == TANH)
        for (int64_t k = 0; k < n; k++) z[k] = tanh(z[k]);
    if (kind == RELU)
        for (int64_t k = 0; k < n; k++) z[k] = z[k] < 0 ? 0 : z[k];
}

/* dE/dz = dE/dy dy/dz (5) */
static void times_derivative(int64_t kind, int64_t n, const real *restrict y, real *restrict dz) {
    if (kind == SIGMOID)
        for (int64_t k = 0; k < n; k++) dz[k] *= y[k] * (1 - y[k]);
    if (kind == TANH)
        for (int64_t k = 0; k < n; k++) dz[k] *= 1 - y[k] * y[k];
    if (kind == RELU)
        for (int64_t k = 0; k < n; k++) dz[k] = y[k] > 0 ? dz[k] : 0;
}

/* From z of the output units to y; returns the loss of one example, from z so that no logarithm is of 0 (15) (17). */
static double output_and_loss(const Recipe *r, int64_t C, real *z, const real *t) {
    double loss = 0;
    if (r->output == SOFTMAX) {
        double largest = z[0], total = 0;
        for (int64_t j = 1; j < C; j++) largest = z[j] > largest ? z[j] : largest;
        for (int64_t j = 0; j < C; j++) total += exp(z[j] - largest);
        for (int64_t j = 0; j < C; j++) {
            loss -= t[j] * (z[j] - largest - log(total));
            z[j] = (real)(exp(z[j] - largest) / total);
        }
        return loss;
    }
    if (!r->squared_error)
        for (int64_t j = 0; j < C; j++)
            loss += (z[j] > 0 ? z[j] : 0) - (double)z[j] * t[j] + log1p(exp(-fabs((double)z[j])));
    activate(r->output, C, z);
    if (r->squared_error)
        for (int64_t j = 0; j < C; j++) loss += 0.5 * ((double)z[j] - t[j]) * ((double)z[j] - t[j]); /* (3) */
    return loss;
}

static int64_t layer_weights(const Recipe *r, int64_t layer) {
    return r->sizes[layer] * r->sizes[layer + 1];
}

/* The weights of a layer, in whichever array of that layout; b is NULL where the recipe has none. */
static real *layer_of(const Recipe *r, real *all, int64_t layer, real **b) {
    for (int64_t l = 0; l < layer; l++) all += layer_weights(r, l) + (r->bias ? r->sizes[l + 1] : 0);
    *b = r->bias ? all + layer_weights(r, layer) : NULL;
    return all;
}

/* Outputs of B examples from y[0]; returns the loss, summed over them. */
double forward(const Recipe *r, const Network *net, int64_t B) {
    int64_t L = r->n_layers, C = r->sizes[L];
    double loss = 0;
    for (int64_t l = 0; l < L; l++) {
        real *b, *W = layer_of(r, net->w, l, &b);
        forward_layer(B, r->sizes[l], r->sizes[l + 1], net->y[l], W, b, net->y[l + 1]);
        if (l < L - 1) activate(r->hidden, B * r->sizes[l + 1], net->y[l + 1]);
    }
    for (int64_t n = 0; n < B; n++) loss += output_and_loss(r, C, net->y[L] + n * C, net->t + n * C);
    return loss;
}

/* The gradient of B examples, after their forward pass. */
void backward(const Recipe *r, const Network *net, int64_t B) {
    int64_t L = r->n_layers, n_outputs = B * r->sizes[L];
    for (int64_t k = 0; k < n_outputs; k++) {
        net->dz[L][k] = net->y[L][k] - net->t[k]; /* (4) (16) (18) */
        if (r->mean) net->dz[L][k] /= B;          /* (26) */
    }
    if (r->squared_error) times_derivative(r->output, n_outputs, net->y[L], net->dz[L]);
    for (int64_t l = L - 1; l >= 0; l--) {
        int64_t I = r->sizes[l], J = r->sizes[l + 1];
        real *b, *db, *W = layer_of(r, net->w, l, &b), *dW = layer_of(r, net->dw, l, &db);
        gradient_layer(B, I, J, net->y[l], net->dz[l + 1], dW, db);
        if (l == 0) continue;
        backward_layer(B, I, J, net->dz[l + 1], W, net->dz[l]);
        times_derivative(r->hidden, B * I, net->y[l], net->dz[l]);
    }
}

/* Update number `step`, counted from 1, of n weights by their gradient. */
static void update(const Recipe *r, int64_t n, int64_t step, real *restrict w, const real *restrict dw,
                   real *restrict first, real *restrict second) {
    const real rate = (real)r->learning_rate, decay = (real)r->weight_decay, epsilon = (real)r->epsilon;
    const real momentum = (real)r->momentum, keep1 = (real)r->decay1, keep2 = (real)r->decay2;
    const real add1 = (real)(1 - r->decay1), add2 = (real)(1 - r->decay2);
    if (r->optimizer == SGD)
        for (int64_t k = 0; k < n; k++) w[k] -= rate * (dw[k] + decay * w[k]); /* (8) (19) */
    if (r->optimizer == MOMENTUM)
        for (int64_t k = 0; k < n; k++) {
            first[k] = momentum * first[k] - rate * (dw[k] + decay * w[k]); /* (9) */
            w[k] += first[k];
        }
    if (r->optimizer == RMSPROP)
        for (int64_t k = 0; k < n; k++) {
            real g = dw[k] + decay * w[k];
            second[k] = keep2 * second[k] + add2 * g * g; /* (20) */
            w[k] -= rate * g / (sqrt(second[k]) + epsilon); /* (21) */
        }
    if (r->optimizer == ADAM) {
        const real corrected = (real)(r->learning_rate / (1 - pow(r->decay1, step))); /* (24) */
        const real root = (real)(1 / sqrt(1 - pow(r->decay2, step)));                 /* (24) */
        for (int64_t k = 0; k < n; k++) {
            real g = dw[k] + decay * w[k];
            first[k] = keep1 * first[k] + add1 * g;       /* (22) */
            second[k] = keep2 * second[k] + add2 * g * g; /* (23) */
            w[k] -= corrected * first[k] / (sqrt(second[k]) * root + epsilon); /* (25) */
        }
    }
}

/* Copy the inputs and the targets of some examples of x [N, D] and t [N, C] into the network. */
void fetch(const Recipe *r, const Network *net, const real *x, const real *t, const int64_t *examples, int64_t B) {
    int64_t D = r->sizes[0], C = r->sizes[r->n_layers];
    for (int64_t n = 0; n < B; n++) {
        memcpy(net->y[0] + n * D, x + examples[n] * D, D * sizeof(real));
        memcpy(net->t + n * C, t + examples[n] * C, C * sizeof(real));
    }
}

/* Update all weights by the gradient; update number `step`, counted from 1. */
void update_all(const Recipe *r, const Network *net, int64_t step) {
    int64_t n = 0;
    for (int64_t l = 0; l < r->n_layers; l++) n += layer_weights(r, l) + (r->bias ? r->sizes[l + 1] : 0);
    update(r, n, step, net->w, net->dw, net->first, net->second);
}

/* Train on n examples in this order, batch by batch; returns the loss, summed over the examples. */
double train_epoch(const Recipe *r, const Network *net, const real *x, const real *t, const int64_t *order, int64_t n,
                   int64_t step) {
    double loss = 0;
    for (int64_t start = 0; start < n; start += r->batch_size) {
        int64_t B = n - start < r->batch_size ? n - start : r->batch_size;
        fetch(r, net, x, t, order + start, B);
        loss += forward(r, net, B);
        backward(r, net, B);
        update_all(r, net, step++);
    }
    return loss;
}
