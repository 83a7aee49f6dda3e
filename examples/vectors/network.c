/* The article's network in C99: sigmoids, squared error, no biases, an update after each example.

backprop-bench vectors --recipe article-scratch --out vectors
cc -std=c99 -O2 -o network examples/vectors/network.c -lm && mkdir -p theirs && ./network vectors theirs
backprop-bench check-vectors vectors theirs
*/
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 784, HIDDEN = 16, OUTPUTS = 10, EXAMPLES = 21, EPOCHS = 5, UPDATES = 100, SHOWN = 20 };
static const double RATE = 0.1;

static double x[EXAMPLES * INPUTS], t[EXAMPLES * OUTPUTS], order[EPOCHS * EXAMPLES];
static double W1[INPUTS * HIDDEN], W2[HIDDEN * OUTPUTS], dEdW1[INPUTS * HIDDEN], dEdW2[HIDDEN * OUTPUTS];
static double z1[HIDDEN], hidden[HIDDEN], dEdy1[HIDDEN], dEdz1[HIDDEN];
static double z2[OUTPUTS], output[OUTPUTS], dEdy2[OUTPUTS], dEdz2[OUTPUTS];
static char path[4096];

/* Read the numbers of a JSON file, whatever brackets and commas are between them. */
static void load(const char *folder, const char *name, double *to, int n) {
    snprintf(path, sizeof path, "%s/json/%s.json", folder, name);
    FILE *file = fopen(path, "r");
    for (int i = 0; i < n; i++)
        if (!file || fscanf(file, "%*[][, \n]") < 0 || fscanf(file, "%lf", &to[i]) != 1) {
            fprintf(stderr, "%s: expected %d numbers\n", path, n);
            exit(2);
        }
    fclose(file);
}

/* Write numbers, a line for each row; 17 digits lose nothing. */
static void save(const char *folder, const char *name, const double *from, int rows, int columns) {
    snprintf(path, sizeof path, "%s/%s.txt", folder, name);
    FILE *file = fopen(path, "w");
    if (!file) perror(path), exit(2);
    for (int i = 0; i < rows * columns; i++) fprintf(file, "%.17g%c", from[i], (i + 1) % columns ? ' ' : '\n');
    fclose(file);
}

/* z = y W and its sigmoid: W has a row for each of the units below. */
static void layer(const double *below, int n_below, const double *W, int n, double *z, double *y) {
    for (int j = 0; j < n; j++) {
        z[j] = 0;
        for (int i = 0; i < n_below; i++) z[j] += below[i] * W[i * n + j];
        y[j] = 1 / (1 + exp(-z[j]));
    }
}

static void forward(const double *in) {
    layer(in, INPUTS, W1, HIDDEN, z1, hidden);
    layer(hidden, HIDDEN, W2, OUTPUTS, z2, output);
}

/* Return the loss of an example, and leave its derivatives in the arrays dEdy2 to dEdW1. */
static double backward(const double *in, const double *target) {
    double loss = 0;
    for (int k = 0; k < OUTPUTS; k++) {
        dEdy2[k] = output[k] - target[k];
        dEdz2[k] = dEdy2[k] * output[k] * (1 - output[k]);
        loss += dEdy2[k] * dEdy2[k] / 2;
    }
    for (int j = 0; j < HIDDEN; j++) {
        dEdy1[j] = 0;
        for (int k = 0; k < OUTPUTS; k++) dEdy1[j] += dEdz2[k] * W2[j * OUTPUTS + k];
        dEdz1[j] = dEdy1[j] * hidden[j] * (1 - hidden[j]);
        for (int k = 0; k < OUTPUTS; k++) dEdW2[j * OUTPUTS + k] = hidden[j] * dEdz2[k];
    }
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < HIDDEN; j++) dEdW1[i * HIDDEN + j] = in[i] * dEdz1[j];
    return loss;
}

#define LOAD(array) load(words[1], #array, array, sizeof array / sizeof *array)
#define SAVE(name, array, columns) save(words[2], name, array, sizeof array / sizeof *array / (columns), columns)

int main(int count, char **words) {
    if (count != 3) return fprintf(stderr, "expected the folder of the vectors and one to write in\n"), 2;
    LOAD(x), LOAD(t), LOAD(order), LOAD(W1), LOAD(W2);
    double loss[1], loss_by_epoch[EPOCHS] = {0}, outputs_after_100[SHOWN * OUTPUTS];
    for (int update = 1; update <= UPDATES; update++) {
        int n = (int)order[update - 1];
        forward(&x[n * INPUTS]);
        loss[0] = backward(&x[n * INPUTS], &t[n * OUTPUTS]);
        loss_by_epoch[(update - 1) / EXAMPLES] += loss[0] / EXAMPLES;
        if (update == 1) {
            SAVE("z1", z1, HIDDEN), SAVE("y1", hidden, HIDDEN), SAVE("z2", z2, OUTPUTS), SAVE("y2", output, OUTPUTS);
            SAVE("loss", loss, 1);
            SAVE("dEdy2", dEdy2, OUTPUTS), SAVE("dEdz2", dEdz2, OUTPUTS), SAVE("dEdW2", dEdW2, OUTPUTS);
            SAVE("dEdy1", dEdy1, HIDDEN), SAVE("dEdz1", dEdz1, HIDDEN), SAVE("dEdW1", dEdW1, HIDDEN);
        }
        for (int i = 0; i < INPUTS * HIDDEN; i++) W1[i] -= RATE * dEdW1[i];
        for (int i = 0; i < HIDDEN * OUTPUTS; i++) W2[i] -= RATE * dEdW2[i];
        if (update == 1 || update == 10 || update == 100) {
            char name[2][32];
            for (int i = 0; i < 2; i++) snprintf(name[i], sizeof name[i], "W%d_after_%d", i + 1, update);
            save(words[2], name[0], W1, INPUTS, HIDDEN), save(words[2], name[1], W2, HIDDEN, OUTPUTS);
        }
    }
    for (int n = 0; n < SHOWN; n++) {
        forward(&x[n * INPUTS]);
        for (int k = 0; k < OUTPUTS; k++) outputs_after_100[n * OUTPUTS + k] = output[k];
    }
    SAVE("outputs_after_100", outputs_after_100, OUTPUTS);
    SAVE("loss_by_epoch", loss_by_epoch, 1); /* the last epoch is not whole, and not compared */
    return 0;
}
