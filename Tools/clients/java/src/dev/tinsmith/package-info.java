/** Client of Tinsmith, a self-hosted fine-tuning service. */
package dev.tinsmith;
